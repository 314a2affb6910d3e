"""How far the crack went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed import outcome
from testbed.checks import Finding, held_if

if TYPE_CHECKING:
    from testbed.journal import Journal


def check(journal: Journal, expected: tuple[int, ...]) -> Finding:
    """Compare the crack with those that will do."""
    was = outcome.crack(journal)
    wanted = " or ".join(f"{level} ({outcome.CRACK[level]})" for level in expected)
    return Finding("crack", held_if(was in expected), f"crack {was} ({outcome.CRACK[was]}), expected {wanted}", ("S8",))
