"""Whether a service died that nobody ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.clock import clock_text
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Ask that no service died by itself: what was seen after that is another story than the scenario's."""
    dead = figures.died
    if dead:
        told = "; ".join(f"{one.service} died at {clock_text(one.night_s)}: {one.detail}" for one in dead)
        return Finding("services", Verdict.UNKNOWN, told)
    return Finding("services", Verdict.HELD, "no service died by itself")
