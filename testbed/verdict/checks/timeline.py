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
    """Check that each condition was met in time and each operation ended well; unknown otherwise."""
    unseen = [f"condition {event.condition} was not seen in time" for event in journal.of(Condition) if not event.seen]
    failed = [f"{operation.operation}: {operation.detail}" for operation in figures.operations if operation.state == "failed"]
    if unseen or failed:
        text = f"not all of the timeline was carried out: {'; '.join([*unseen, *failed])}"
        return Finding("timeline", Verdict.UNKNOWN, text, code="" if failed else CONDITION_NOT_SEEN)
    return Finding("timeline", Verdict.HELD, "everything on the timeline was carried out")
