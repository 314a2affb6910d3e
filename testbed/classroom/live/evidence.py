"""The evidence of a night that goes on: who waits for whom, on the board, and without what is blamed until that is revealed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.classroom import waits
from testbed.concurrency import cancel_and_wait
from testbed.journal.events import EvidenceTaken, Pressure, Threads
from testbed.journal.reader import Journal

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.classroom.board import Board
    from testbed.classroom.scene import Scene
    from testbed.classroom.waits import Waits
    from testbed.journal.events import Event


@dataclass(slots=True)
class LiveEvidence:
    """The last evidence that was taken, read beside the night, and once more for each dump that belongs to it and comes later."""

    board: Board
    scene: Scene
    _seen: list[Event] = field(default_factory=list)  # dumps, and how busy the machine was
    _taken: EvidenceTaken | None = None
    _found: tuple[EvidenceTaken, Waits] | None = None
    _is_due: bool = False
    _reading: asyncio.Task[None] | None = None

    def take(self, event: Event, path: Path) -> None:
        """Take an event of the journal at a path; what it tells is shown soon after."""
        if isinstance(event, Threads | Pressure):
            self._seen.append(event)
        if isinstance(event, EvidenceTaken):
            self._taken = event
        if isinstance(event, EvidenceTaken) or self._belongs(event):
            self._is_due = True
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read(path))

    def _belongs(self, event: Event) -> bool:
        """Whether an event is a dump that had begun when the last evidence was taken."""
        return isinstance(event, Threads) and self._taken is not None and event.t_s - (event.took_s or 0.0) <= self._taken.t_s

    async def _read(self, path: Path) -> None:
        while self._is_due and self._taken is not None:
            self._is_due, taken = False, self._taken
            journal = Journal(path, self.scene.header, (*self._seen, taken))
            self._found = taken, await asyncio.to_thread(waits.of_evidence, taken, journal)
            self.show()

    def show(self) -> None:
        """Show who waits for whom; with the names of what is blamed once all is revealed."""
        if self._found is not None:
            taken, found = self._found
            self.board.set("waits", {**(found.whole() if self.scene.revealed else found.hidden()), "t_s": taken.t_s})

    async def settle(self) -> None:
        """Wait until what was taken has been read."""
        if self._reading is not None:
            await self._reading

    async def close(self) -> None:
        """Read no more."""
        if self._reading is not None:
            await cancel_and_wait([self._reading])
