"""What the linter finds in a snippet."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from testbed.lint.finding import Unread
from testbed.lint.linter import look

if TYPE_CHECKING:
    from testbed.lint.finding import Finding


def findings(text: str) -> tuple[Finding, ...]:
    """Return the findings in a snippet, which can be parsed."""
    found = look(dedent(text).encode())
    assert not isinstance(found, Unread), found
    return found


def codes(text: str) -> list[str]:
    """Return the codes of the findings in a snippet."""
    return [finding.rule.code for finding in findings(text)]


def in_finally(*lines: str, is_async: bool = False) -> str:
    """Return a function whose finally has some lines."""
    head = f"{'async ' if is_async else ''}def lookup(connection, cursor, pool, a, b):\n    try:\n        pass\n    finally:\n"
    return head + "".join(f"        {line}\n" for line in lines)
