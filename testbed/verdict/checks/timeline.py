"""Whether every step of the timeline was carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Condition, OperationEvent
from testbed.plan.clock import clock_text
from testbed.verdict.changes import RESTART, restarts_by_hand
from testbed.verdict.checks import CONDITION_NOT_SEEN
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

BACKUP, SWITCHOVER = "backup", "switchover"
RESTARTS = (RESTART, "")  # older journals do not say what waited; in the scenarios of their time, only restarts did


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Check that each condition was met in time, and each operation ended well and in its time of the night; unknown otherwise.

    A restart that waited for something which did not come was not needed. A fault that waited was never injected, and nothing is known
    of what it would have done. What came late while no request was due changed nothing, and is told all the same. So is a backup that
    ended because the cluster moved the database under it: it was carried out, and what became of it is what the facility did. So is a
    restart that somebody ordered by hand, and that failed: it is on no timeline, and what was seen before and after it was seen.
    """
    waited_in_vain = [event for event in journal.of(Condition) if not event.seen]
    unseen = [f"condition {event.condition} was not seen in time" for event in waited_in_vain]
    only_restarts = all(event.operation in RESTARTS for event in waited_in_vain)
    cut = _cut_by_the_cluster(journal)
    by_hand = _failed_by_hand(journal)
    expected_to_end = [ended for ended in figures.operations if ended.id not in cut and ended.id not in by_hand]
    failed = [f"{ended.operation}: {ended.detail}" for ended in expected_to_end if ended.state == "failed"]
    late = [str(step) for step in figures.late if step.requests]
    if unseen or failed or late:
        text = f"not all of the timeline was carried out as the scenario says: {'; '.join([*unseen, *failed, *late])}"
        return Finding("timeline", Verdict.UNKNOWN, text, code=CONDITION_NOT_SEEN if only_restarts and not failed and not late else "")
    harmless = "".join(f"; {text}" for text in [*map(str, figures.late), *cut.values(), *by_hand.values()])
    return Finding("timeline", Verdict.HELD, f"everything on the timeline was carried out{harmless}")


def _failed_by_hand(journal: Journal) -> dict[int, str]:
    """Return what became of each restart by hand that failed, by its id."""
    return {
        end.id: f"a {RESTART} that was ordered by hand at {clock_text(begin.night_s)} failed: {end.detail}"
        for begin, end in restarts_by_hand(journal)
        if end is not None and end.state == "failed"
    }


def _cut_by_the_cluster(journal: Journal) -> dict[int, str]:
    """Return what became of each backup that was under way when the cluster began to move the database, and that failed, by its id."""
    events = journal.of(OperationEvent)
    moves_s = [event.t_s for event in events if event.by == "cluster" and event.operation == SWITCHOVER and event.state == "begin"]
    begun_s = {event.id: event.t_s for event in events if event.operation == BACKUP and event.state == "begin"}
    return {
        event.id: f"the {BACKUP} of {begun_s[event.id]:.1f} s failed when the cluster moved the database under it"
        for event in events
        if event.state == "failed" and event.id in begun_s and any(begun_s[event.id] <= move_s <= event.t_s for move_s in moves_s)
    }
