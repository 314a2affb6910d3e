"""What of the timeline came later in the night than the scenario says: pure functions of the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.events import OperationEvent
from testbed.plan.clock import clock_text, span_text
from testbed.verdict.changes import HARMLESS

if TYPE_CHECKING:
    from testbed.journal.reader import Journal

LATE_S = 0.5  # real seconds, as of requests (`open_loop`): less is the machine's own unrest
LATE_NIGHT_S = 60.0  # and of the night
SLOPE_S = 0.02  # real seconds after its begin over which the pace of the night is measured


@dataclass(frozen=True, slots=True)
class Late:
    """A fault or an operation that began, or ended, `late_s` real seconds and `late_night_s` of the night later than it should have.

    `requests`: how many were due meanwhile, and met another facility than the scenario means.
    """

    operation: str
    what: str
    at_night_s: float
    late_s: float
    late_night_s: float
    requests: int

    def __str__(self) -> str:
        return (
            f"{self.operation} {self.what} at {clock_text(self.at_night_s)}, {span_text(self.late_night_s)} of the night late "
            f"({self.late_s:.2f} s; {self.requests} requests were due meanwhile)"
        )


def late(journal: Journal) -> tuple[Late, ...]:
    """Return each fault or operation that began late, or during whose work the night went on faster than when it began."""
    events = [event for event in journal.of(OperationEvent) if event.operation not in HARMLESS]
    found = []
    for begin in events:
        if begin.state != "begin":
            continue
        if begin.due_s is not None and begin.due_night_s is not None:
            late_s, late_night_s = begin.t_s - begin.due_s, begin.night_s - begin.due_night_s
            if late_s > LATE_S and late_night_s > LATE_NIGHT_S:
                due = _due(journal, begin.due_night_s, begin.night_s)
                found.append(Late(begin.operation, "began", begin.night_s, late_s, late_night_s, due))
        end = next((event for event in events if event.id == begin.id and event.state != "begin"), None)
        pace = _pace(journal, begin)
        if end is not None and pace is not None:
            took_s = end.t_s - begin.t_s
            meant_night_s = begin.night_s + took_s * pace
            if end.night_s - meant_night_s > LATE_NIGHT_S:
                due = _due(journal, meant_night_s, end.night_s)
                found.append(Late(begin.operation, "ended", end.night_s, took_s, end.night_s - meant_night_s, due))
    return tuple(found)


def _due(journal: Journal, from_night_s: float, to_night_s: float) -> int:
    return sum(from_night_s < transaction.request.night_s <= to_night_s for transaction in journal.transactions)


def _pace(journal: Journal, begin: OperationEvent) -> float | None:
    """Return how fast the night went by just after the begin of an operation, in its seconds in a real one; None if nothing is later."""
    later = sorted((event for event in journal.events if event.t_s > begin.t_s), key=lambda event: event.t_s)
    near = [event for event in later if event.t_s <= begin.t_s + SLOPE_S] or later[:1]
    return (near[-1].night_s - begin.night_s) / (near[-1].t_s - begin.t_s) if near else None
