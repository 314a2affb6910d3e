"""Which faults and operations of a journal changed the facility, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.events import BY_HAND, FaultOver, Healed, OperationEvent
from testbed.plan.conflicts import HEAL

if TYPE_CHECKING:
    from testbed.journal.reader import Journal

RESTART = "restart"
DATABASE = "database"  # the link between application servers and it
HARMLESS = ("nothing", "backup", "collect_evidence")  # they change nothing
# These leave the way from passengers to callers, and the callers' counts, as they were; others do on a link that is not a caller's.
HARMLESS_TO_CALLERS = (*HARMLESS, HEAL, RESTART, "switchover", "sessions_ended", "slow_database", "disk_full")


def first_change(journal: Journal) -> OperationEvent | None:
    """Return the begin of the first fault or operation that changed something."""
    return _first(journal, HARMLESS)


def first_fault(journal: Journal) -> OperationEvent | None:
    """Return the begin of the first fault that changed something; a restart or a healing is no fault."""
    return _first(journal, (*HARMLESS, RESTART, HEAL))


def _first(journal: Journal, excluded: tuple[str, ...]) -> OperationEvent | None:
    return next((event for event in journal.of(OperationEvent) if event.state == "begin" and event.operation not in excluded), None)


def spares_callers(journal: Journal, begin: OperationEvent) -> bool:
    """Whether a fault or an operation cannot lose what is on its way between passengers and callers."""
    link = begin.arguments.get("link")
    return begin.operation in HARMLESS_TO_CALLERS or (link is not None and link not in journal.header.facility.callers)


def spares_servers(begin: OperationEvent) -> bool:
    """Whether a fault or an operation cannot lose what is on its way between callers and application servers, nor asks anything itself."""
    return begin.operation in HARMLESS_TO_CALLERS or begin.arguments.get("link") == DATABASE


@dataclass(frozen=True, slots=True)
class Active:
    """A fault, from its begin to what ended it: its healing, or that it was over without one; None: nothing before the night's end did.

    `lasts`: whether it stays active until then. One that does not is over with its last step.
    """

    begin: OperationEvent
    end: OperationEvent | FaultOver | None
    lasts: bool

    @property
    def span_s(self) -> tuple[float, float]:
        """From when to when it was active (`t_s`)."""
        return self.begin.t_s, float("inf") if self.end is None else self.end.t_s


def active_faults(journal: Journal) -> list[Active]:
    """Return every fault that changed something, in the order in which they began."""
    events = journal.of(OperationEvent)
    at_end = [word for healed in journal.of(Healed) for word in healed.faults]
    over = {event.id: event for event in journal.of(FaultOver)}
    heals = [event for event in events if event.operation == HEAL and event.state == "end"]
    found = []
    for begin in events:
        if begin.state != "begin" or begin.operation in (*HARMLESS, HEAL, RESTART):
            continue
        healed = next((heal for heal in heals if heal.t_s > begin.t_s and f"{begin.operation}:" in heal.detail), None)
        ended = next((event for event in events if event.id == begin.id and event.state != "begin"), None)
        lasting = over.get(begin.id, healed)
        lasts = lasting is not None or begin.operation in at_end
        found.append(Active(begin, lasting if lasts else ended, lasts))
    return found


def active_spans(journal: Journal) -> list[tuple[float, float]]:
    """Return from when to when (`t_s`) each of them was active."""
    return [active.span_s for active in active_faults(journal)]


def spans_that_delay(journal: Journal, delays_s: float) -> tuple[tuple[float, float], ...]:
    """Return from when to when (`t_s`) faults were active that alone can delay a transaction by more than this; none of them overlap."""
    spans: list[tuple[float, float]] = []
    for active in active_faults(journal):
        from_s, to_s = active.span_s
        alone_s = to_s - from_s if active.begin.delays_s is None else active.begin.delays_s
        if alone_s <= delays_s:
            continue
        if spans and from_s <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], to_s))
        else:
            spans.append((from_s, to_s))
    return tuple(spans)


def last_change(journal: Journal) -> OperationEvent | None:
    """Return the end of the last fault or operation that changed something."""
    done = [event for event in journal.of(OperationEvent) if event.state != "begin" and event.operation not in HARMLESS]
    return done[-1] if done else None


def restarts_by_hand(journal: Journal) -> list[tuple[OperationEvent, OperationEvent | None]]:
    """Return each restart that somebody ordered who plays a night, and that is on no timeline: its begin and its end, if it came to one."""
    events = [event for event in journal.of(OperationEvent) if event.operation == RESTART and event.id > BY_HAND]
    ends = {event.id: event for event in events if event.state != "begin"}
    return [(event, ends.get(event.id)) for event in events if event.state == "begin"]
