"""How far the crack went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed import outcome
from testbed.checks import Finding, held_if
from testbed.expectation import Crack

if TYPE_CHECKING:
    from testbed.figures import Figures
    from testbed.journal import Journal


def check(journal: Journal, figures: Figures, expected: tuple[int, ...]) -> Finding:
    """Compare the crack with those that will do."""
    was = outcome.crack(journal, figures)
    wanted = " or ".join(f"{level} ({Crack(level).word})" for level in expected)
    return Finding("crack", held_if(was in expected), f"crack {was} ({was.word}), expected {wanted}", ("S8",))
