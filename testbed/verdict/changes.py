"""Which faults and operations of a journal changed the facility, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import FaultOver, Healed, OperationEvent

if TYPE_CHECKING:
    from testbed.journal.reader import Journal

RESTART = "restart"
HEAL = "heal"
HARMLESS = ("nothing", "backup")  # they change nothing


def first_change(journal: Journal) -> OperationEvent | None:
    """Return the begin of the first fault or operation that changed something."""
    return _first(journal, HARMLESS)


def first_fault(journal: Journal) -> OperationEvent | None:
    """Return the begin of the first fault that changed something; a restart or a healing is no fault."""
    return _first(journal, (*HARMLESS, RESTART, HEAL))


def _first(journal: Journal, excluded: tuple[str, ...]) -> OperationEvent | None:
    return next((event for event in journal.of(OperationEvent) if event.state == "begin" and event.operation not in excluded), None)


def active_until(journal: Journal) -> dict[int, float | None]:
    """Return until when of the night each fault that stays active was so, by its id; None: to the end of the night."""
    at_end = {fault for healed in journal.of(Healed) for fault in healed.faults}
    until: dict[int, float | None] = {}
    for begin in _begins(journal):
        end = _end(journal, begin)
        if end is not None or begin.operation in at_end:
            until[begin.id] = None if end is None else end.night_s
    return until


def active_spans(journal: Journal, delays_s: float) -> tuple[tuple[float, float], ...]:
    """Return from when to when (`t_s`) faults were active that alone can delay a transaction by more than this; none of them overlap."""
    spans: list[tuple[float, float]] = []
    for begin in _begins(journal):
        end = _end(journal, begin)
        end_s = float("inf") if end is None else end.t_s
        alone_s = end_s - begin.t_s if begin.delays_s is None else begin.delays_s
        if alone_s <= delays_s:
            continue
        if spans and begin.t_s <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end_s))
        else:
            spans.append((begin.t_s, end_s))
    return tuple(spans)


def _begins(journal: Journal) -> list[OperationEvent]:
    return [event for event in journal.of(OperationEvent) if event.state == "begin" and event.operation != HEAL]


def _end(journal: Journal, fault: OperationEvent) -> OperationEvent | FaultOver | None:
    """Return what ended a fault, the begin of its healing or that it was over without one; None if nothing did before the night's end."""
    heals = (event for event in journal.of(OperationEvent) if event.state == "begin" and event.operation == HEAL)
    healed = (event for event in heals if event.t_s >= fault.t_s and event.arguments.get("of") in (None, fault.operation))
    over = (event for event in journal.of(FaultOver) if event.id == fault.id)
    ends: list[OperationEvent | FaultOver] = [*healed, *over]
    return min(ends, key=lambda event: event.t_s, default=None)


def last_change(journal: Journal) -> OperationEvent | None:
    """Return the end of the last fault or operation that changed something."""
    done = [event for event in journal.of(OperationEvent) if event.state != "begin" and event.operation not in HARMLESS]
    return done[-1] if done else None
