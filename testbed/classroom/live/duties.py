"""Duties: what the class does in the place of the timeline. The night stands still at its time until it is done."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.classroom.board import Board
    from testbed.classroom.lessons.steps import Duty
    from testbed.classroom.live.pace import Pace
    from testbed.replay.running import Replay


@dataclass(slots=True)
class Duties:
    """The duties of a lesson, in the order of their times."""

    duties: tuple[Duty, ...]
    replay: Replay
    pace: Pace
    board: Board
    _done: dict[str, int] = field(default_factory=dict)  # by order, how often it was carried out
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def note_done(self, order: str) -> None:
        """Note that an order was carried out; one that comes before its time counts, too."""
        self._done[order] = self._done.get(order, 0) + 1
        self._changed.set()

    async def watch(self) -> None:
        """Await each duty at its time, until all are done."""
        for number, duty in enumerate(sorted(self.duties, key=lambda duty: duty.at_night_s), start=1):
            await self.replay.wait_night(duty.at_night_s)
            wanted = sum(each.order == duty.order for each in self.duties[:number])
            if self._done.get(duty.order, 0) >= wanted:
                continue
            self.pace.await_duty(duty.text)
            self.board.set("task", {"text": duty.text, "role": duty.role, "order": duty.order})
            while self._done.get(duty.order, 0) < wanted:
                self._changed.clear()
                await self._changed.wait()
            self.board.set("task", None)
            self.pace.await_duty("")
