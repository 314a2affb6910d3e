"""Whether every step of the timeline was carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Condition
from testbed.verdict.checks import CONDITION_NOT_SEEN
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Check that each condition was met in time, and each operation ended well and in its time of the night; unknown otherwise.

    What came late while no request was due changed nothing, and is told all the same.
    """
    unseen = [f"condition {event.condition} was not seen in time" for event in journal.of(Condition) if not event.seen]
    failed = [f"{operation.operation}: {operation.detail}" for operation in figures.operations if operation.state == "failed"]
    late = [str(step) for step in figures.late if step.requests]
    if unseen or failed or late:
        text = f"not all of the timeline was carried out as the scenario says: {'; '.join([*unseen, *failed, *late])}"
        return Finding("timeline", Verdict.UNKNOWN, text, code="" if failed or late else CONDITION_NOT_SEEN)
    harmless = "".join(f"; {step}" for step in figures.late)
    return Finding("timeline", Verdict.HELD, f"everything on the timeline was carried out{harmless}")
