"""How far the crack went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.expectation import Crack
from testbed.verdict import outcome
from testbed.verdict.finding import Finding, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: tuple[int, ...]) -> Finding:
    """Compare the crack with the expected levels."""
    reached = outcome.crack(journal, figures)
    wanted = " or ".join(f"{level} ({Crack(level).word})" for level in expected)
    return Finding("crack", held_if(reached in expected), f"crack {reached} ({reached.word}), expected {wanted}", ("S8",))
