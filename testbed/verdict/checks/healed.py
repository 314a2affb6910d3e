"""Whether no fault outlived the night."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Healed, OperationEvent
from testbed.verdict.changes import HARMLESS, RESTART
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

LASTING = (*HARMLESS, RESTART, "switchover")  # nothing of them is to be undone; journals of before faults were healed know no others


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Ask that every fault was undone and nothing left of it: what was seen with something left of another night proves nothing."""
    looks = journal.of(Healed)
    left = [line for one in looks for line in one.left]
    if left:
        return Finding("healed", Verdict.UNKNOWN, f"not all was as before when the night was over: {'; '.join(left)}")
    if looks:
        undone = ", ".join(word for one in looks for word in one.faults)
        return Finding(
            "healed", Verdict.HELD, f"nothing is left of any fault ({f'undone at the end: {undone}' if undone else 'none was active'})"
        )
    active = sorted({one.operation for one in journal.of(OperationEvent) if one.operation not in LASTING})
    if active:
        return Finding("healed", Verdict.UNKNOWN, f"nobody looked whether anything is left of {', '.join(active)}")
    return Finding("healed", Verdict.HELD, "nothing was done that would have to be undone")
