"""Whether every step of the timeline was carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Condition
from testbed.verdict.changes import RESTART
from testbed.verdict.checks import CONDITION_NOT_SEEN
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

RESTARTS = (RESTART, "")  # older journals do not say what waited; in the scenarios of their time, only restarts did


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Check that each condition was met in time, and each operation ended well and in its time of the night; unknown otherwise.

    A restart that waited for something which did not come was not needed. A fault that waited was never injected, and nothing is known
    of what it would have done. What came late while no request was due changed nothing, and is told all the same.
    """
    waited_in_vain = [event for event in journal.of(Condition) if not event.seen]
    unseen = [f"condition {event.condition} was not seen in time" for event in waited_in_vain]
    only_restarts = all(event.operation in RESTARTS for event in waited_in_vain)
    failed = [f"{operation.operation}: {operation.detail}" for operation in figures.operations if operation.state == "failed"]
    late = [str(step) for step in figures.late if step.requests]
    if unseen or failed or late:
        text = f"not all of the timeline was carried out as the scenario says: {'; '.join([*unseen, *failed, *late])}"
        return Finding("timeline", Verdict.UNKNOWN, text, code=CONDITION_NOT_SEEN if only_restarts and not failed and not late else "")
    harmless = "".join(f"; {step}" for step in figures.late)
    return Finding("timeline", Verdict.HELD, f"everything on the timeline was carried out{harmless}")
