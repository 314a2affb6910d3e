"""A file of Python: its bytes, its encoding, its comments that silence a finding."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.lint.finding import Finding, Place

NOQA = re.compile(r"#\s*noqa(?::\s*(?P<codes>[A-Z]+[0-9]+(?:[\s,]+[A-Z]+[0-9]+)*))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file; `lines` are those of its text."""

    tree: ast.Module
    lines: tuple[str, ...]

    def silenced(self, finding: Finding) -> bool:
        """Whether `# noqa` (of every rule) or `# noqa: CW001` stands in a line of what was found."""
        for line in self.lines[finding.place.line - 1 : finding.place.last_line]:
            for found in NOQA.finditer(line):
                codes = found["codes"]
                if codes is None or finding.rule.code in re.split(r"[\s,]+", codes.upper()):
                    return True
        return False

    def in_characters(self, place: Place) -> Place:
        """Return a place whose column counts characters: the parser counts bytes of UTF-8."""
        line = self.lines[place.line - 1] if place.line <= len(self.lines) else ""
        before = line.encode("utf-8", "surrogatepass")[: place.column - 1]
        return replace(place, column=len(before.decode("utf-8", "replace")) + 1)


def parse(content: bytes) -> Source:
    """Parse a file; raises SyntaxError, ValueError, RecursionError or MemoryError where Python cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of somebody else's escapes and comparisons
        tree = ast.parse(content)
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    text = content.decode(encoding, "replace").replace("\r\n", "\n").replace("\r", "\n")
    return Source(tree, tuple(text.split("\n")))
