"""The journal of a pair, kept in memory: nobody judges it, and a test that fails shows its last lines."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.journal.events import Step
from testbed.journal.writer import JournalWriter

if TYPE_CHECKING:
    from testbed.journal.events import Event

MOST_EVENTS = 1_000


class KeptEvents(JournalWriter):
    """Takes the place of a journal's file, and keeps the last events."""

    def __init__(self) -> None:
        self.path = Path()
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)

    def append(self, event: Event) -> None:
        """Keep an event."""
        self._events.append(event)

    def steps(self) -> tuple[str, ...]:
        """Return a line for each step that has ended, or failed: when, of what, and what was seen."""
        return tuple(_line(event) for event in self._events if isinstance(event, Step) and event.state != "begin")

    def clear(self) -> None:
        """Forget all of them."""
        self._events.clear()


def _line(step: Step) -> str:
    what = f"{step.t_s:8.3f} s  {step.operation} {step.number}: {step.step}"
    failed = " FAILED" if step.state == "failed" else ""
    return f"{what}{failed}: {step.detail}" if step.detail else f"{what}{failed}"
