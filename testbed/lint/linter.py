"""Looks at one file: every rule over every function of it."""

from __future__ import annotations

import tokenize
from dataclasses import replace
from typing import TYPE_CHECKING

from testbed.lint import blocks, exception_only, unguarded
from testbed.lint.finding import Unread
from testbed.lint.scopes import scopes_of
from testbed.lint.source import parse

if TYPE_CHECKING:
    from testbed.lint.finding import Finding

RULES = (blocks.findings, exception_only.findings, unguarded.findings)
TOO_DEEP = "nested too deep for Python's own parser, or for this one"


def look(content: bytes) -> tuple[Finding, ...] | Unread:
    """Return the findings of a file of Python in the order of its lines, or why there can be none; raises nothing."""
    try:
        source = parse(content)
        found = [finding for scope in scopes_of(source.tree) for rule in RULES for finding in rule(scope)]
    except (RecursionError, MemoryError):
        return Unread(0, TOO_DEEP)
    except SyntaxError as error:  # and of it, IndentationError
        return Unread(error.lineno or 0, error.msg or "it is no Python")
    except (ValueError, LookupError, tokenize.TokenError) as error:  # bytes that are no text, and an encoding that nobody knows
        return Unread(0, str(error))
    placed = (replace(finding, place=source.in_characters(finding.place)) for finding in found if not source.silenced(finding))
    return tuple(sorted(placed, key=lambda finding: (finding.place, finding.rule.code)))
