"""Whether a service died by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.clock import clock_text
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Check that no service died by itself; unknown otherwise, because the scenario did not plan what came after.

    Unknown also where the replay did not come to its end: what could not be seen any more may be why.
    """
    if figures.died:
        text = "; ".join(f"{event.service} died at {clock_text(event.night_s)}: {event.detail}" for event in figures.died)
        return Finding("services", Verdict.UNKNOWN, text)
    if journal.end is None or journal.end.reason != "complete":
        return Finding("services", Verdict.UNKNOWN, "no service died by itself as far as was seen, which is not to the end")
    return Finding("services", Verdict.HELD, "no service died by itself")
