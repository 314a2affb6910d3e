"""The first and the last fault or operation of a journal that changed the facility."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import OperationEvent

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


def last_change(journal: Journal) -> OperationEvent | None:
    """Return the end of the last fault or operation that changed something."""
    done = [event for event in journal.of(OperationEvent) if event.state != "begin" and event.operation not in HARMLESS]
    return done[-1] if done else None
