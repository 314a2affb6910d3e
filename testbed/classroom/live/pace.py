"""The pace of a class's night: as fast as its trainer orders, and standing still while something is awaited."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.classroom import log_lines
from testbed.classroom.saying import say
from testbed.journal.events import ClockFactor

if TYPE_CHECKING:
    from testbed.classroom.saying import Told
    from testbed.replay.running import Replay

STEP_S = 10.0  # real seconds at the lesson's own pace: how far one step of the trainer goes


@dataclass(slots=True)
class Pace:
    """How the night of a replay goes by.

    `factor`: as ordered; `awaited`: the duty for which it stands still, or an empty text; `is_over`: at its end it stands still for good.

    The facility works on in real seconds while the night stands still; only the passengers of later do not come.
    """

    replay: Replay
    factor: float = 1.0
    paused: bool = False
    awaited: str = ""
    is_over: bool = False
    _step: asyncio.Task[None] | None = None

    @property
    def held(self) -> Told:
        """Why the night stands still; an empty text while it goes on."""
        if self.is_over:
            return say("night_over")
        return self.awaited or (say("clock_stopped") if self.paused else "")

    @property
    def speed(self) -> float:
        """How many seconds of the night go by in a real second now."""
        recorder = self.replay.recorder
        return 0.0 if recorder.night_start_s is None else recorder.running.speed(recorder.after_start_s())

    def order(self, factor: float) -> None:
        """Set how many times as fast as the lesson has it the night goes by, now or once it goes on."""
        self.factor = factor
        self._apply(log_lines.BY_TRAINER)

    def pause(self) -> None:
        """Stop the night's clock until `go_on`."""
        self._end_step()
        self.paused = True
        self._apply(log_lines.BY_TRAINER)

    def go_on(self) -> None:
        """Start the night's clock again, unless a duty is awaited."""
        self._end_step()
        self.paused = False
        self._apply(log_lines.BY_TRAINER)

    def step(self) -> None:
        """Start the night's clock for `STEP_S` seconds of the lesson's own pace, and stop it then."""
        self.go_on()
        self._step = asyncio.create_task(self._pause_after_step())

    def end(self) -> None:
        """Stop the night's clock for good: the trainer has ended the night."""
        self._end_step()
        self.paused = True
        self._apply(log_lines.ENDED)

    def note_over(self) -> None:
        """Stop the night's clock at the end of the night: nobody more will come."""
        self._end_step()
        self.is_over = True
        self._apply(log_lines.OVER)

    def await_duty(self, duty: str) -> None:
        """Stop the night's clock until a duty is done; an empty text: it is."""
        self.awaited = duty
        self._apply(duty or log_lines.DONE)

    async def _pause_after_step(self) -> None:
        await asyncio.sleep(STEP_S / self.factor)
        self._step = None
        self.pause()

    def _end_step(self) -> None:
        if self._step is not None:
            self._step.cancel()
            self._step = None

    def _apply(self, why: str) -> None:
        """Order the replay's clock, and write it into the journal, if that changes anything and the night has begun."""
        recorder = self.replay.recorder
        factor = 0.0 if self.held else self.factor
        if recorder.night_start_s is not None and factor != recorder.running.factor:
            self.replay.load.change_factor(factor)
            self.replay.looker.wake()  # what waits for a time of the night waits for another moment now
            recorder.add(ClockFactor(**recorder.stamp(), factor=factor, why=why))
