"""The evidence of a night that goes on: who waits for whom, on the board, and without what is blamed until that is revealed."""

from __future__ import annotations

import asyncio
import itertools
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

PRESSURE_S = 60.0  # for how long before its event evidence may have been begun, which asks nobody for more than a few seconds

Dumps = dict[str, tuple[Threads, Threads]]  # by service, the first, in whose order graphs are drawn, and the last


@dataclass(slots=True)
class LiveEvidence:
    """The last evidence that was taken, read beside the night, and once more for each dump that belongs to it and comes later.

    Of the events only those are kept that a reading needs: a night of hours has thousands of them, and each dump some kilobytes.
    """

    board: Board
    scene: Scene
    _dumps: Dumps = field(default_factory=dict)  # for the next evidence, and so is how busy the machine was
    _busy: list[Pressure] = field(default_factory=list)
    _taken: EvidenceTaken | None = None
    _dumps_then: Dumps = field(default_factory=dict)  # those that had begun when it was taken
    _busy_then: list[Pressure] = field(default_factory=list)
    _found: tuple[EvidenceTaken, Waits] | None = None
    _is_due: bool = False
    _reading: asyncio.Task[None] | None = None

    def take(self, event: Event, path: Path) -> None:
        """Take an event of the journal at a path; what it tells is shown soon after."""
        match event:
            case Pressure():
                self._note_busy(event)
            case Threads():
                _keep(self._dumps, event)
                if self._belongs(event):
                    _keep(self._dumps_then, event)
                    self._read_soon(path)
            case EvidenceTaken():
                self._taken, self._dumps_then, self._busy_then = event, dict(self._dumps), list(self._busy)
                self._read_soon(path)

    def _note_busy(self, event: Pressure) -> None:
        """Keep what tells how busy the machine was, up to the first event after the last evidence, and for the next one."""
        if self._taken is not None and (not self._busy_then or self._busy_then[-1].t_s < self._taken.t_s):
            self._busy_then.append(event)
        self._busy.append(event)
        while len(self._busy) > 1 and self._busy[1].t_s < event.t_s - PRESSURE_S:
            del self._busy[0]

    def _belongs(self, dump: Threads) -> bool:
        """Whether a dump had begun when the last evidence was taken."""
        return self._taken is not None and dump.began_s <= self._taken.t_s

    def _read_soon(self, path: Path) -> None:
        self._is_due = True
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(path))

    async def _read(self, path: Path) -> None:
        while self._is_due and self._taken is not None:
            self._is_due, taken = False, self._taken
            dumps = itertools.chain.from_iterable(self._dumps_then.values())
            journal = Journal(path, self.scene.header, (*dumps, *self._busy_then, taken))
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


def _keep(dumps: Dumps, dump: Threads) -> None:
    """Keep a dump as the last of its service."""
    first, _ = dumps.get(dump.service, (dump, dump))
    dumps[dump.service] = first, dump
