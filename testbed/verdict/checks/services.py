"""Whether a service died by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.clock import clock_text
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Check that no service died by itself; unknown otherwise, because the scenario did not plan what came after."""
    if figures.died:
        text = "; ".join(f"{event.service} died at {clock_text(event.night_s)}: {event.detail}" for event in figures.died)
        return Finding("services", Verdict.UNKNOWN, text)
    return Finding("services", Verdict.HELD, "no service died by itself")
