"""Whether every fault was healed by the end of the night."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Healed, OperationEvent
from testbed.verdict.changes import HARMLESS, RESTART
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

LASTING = (*HARMLESS, RESTART, "switchover")  # these need no healing; journals older than healing have no others


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Check that every fault was healed and nothing of it is left; unknown otherwise, or if nothing in the journal says so."""
    healings = journal.of(Healed)
    left = [line for healing in healings for line in healing.left]
    if left:
        return Finding("healed", Verdict.UNKNOWN, f"not healed at the end of the night: {'; '.join(left)}")
    if healings:
        faults = ", ".join(word for healing in healings for word in healing.faults)
        how = f"healed at the end: {faults}" if faults else "none was active at the end"
        return Finding("healed", Verdict.HELD, f"nothing is left of any fault ({how})")
    unchecked = sorted({event.operation for event in journal.of(OperationEvent) if event.operation not in LASTING})
    if unchecked:
        return Finding("healed", Verdict.UNKNOWN, f"the journal does not say whether anything is left of {', '.join(unchecked)}")
    return Finding("healed", Verdict.HELD, "no fault needed healing")
