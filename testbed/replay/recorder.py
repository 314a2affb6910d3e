"""Writes events into the journal, with the time on both clocks."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from testbed.errors import TestbedError
from testbed.journal.events import End, Observed, Service
from testbed.replay.running_clock import RunningClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbed.journal.events import Event, Stamp
    from testbed.journal.writer import JournalWriter
    from testbed.plan.clock import NightClock


@dataclass(slots=True)
class Recorder:
    """Writes events with the current time on both clocks.

    `origin_s` is the replay's start and `night_start_s` the start of the night, both on the event loop's clock, which is the system's
    monotonic one unless the loop has another (`testbed.fakes`). Before the night starts, its clock stands still. `listener` is called
    with each event after it was written.
    """

    writer: JournalWriter
    clock: NightClock
    origin_s: float
    night_start_s: float | None = None
    ended: bool = False
    listener: Callable[[Event], None] = lambda _: None
    running: RunningClock = field(init=False)

    def __post_init__(self) -> None:
        self.running = RunningClock(self.clock)

    def t_s(self) -> float:
        """Seconds since the replay's start."""
        return asyncio.get_running_loop().time() - self.origin_s

    def night_at(self, t_s: float) -> float:
        """Return the night's time, in seconds since its midnight, at `t_s` seconds after the replay's start."""
        if self.night_start_s is None:
            return self.clock.night_s(0.0)
        return self.running.night_s(max(0.0, t_s + self.origin_s - self.night_start_s))

    def after_start_s(self) -> float:
        """Seconds since the night's start; 0 before it."""
        return 0.0 if self.night_start_s is None else max(0.0, self.t_s() + self.origin_s - self.night_start_s)

    def t_s_at(self, night_s: float) -> float | None:
        """Return when, in seconds after the replay's start, a time of the night was or will be; None before the night starts."""
        return None if self.night_start_s is None else self.night_start_s - self.origin_s + self.running.real_s(night_s)

    def now(self) -> tuple[float, float]:
        """Return the time on both clocks: `t_s`, `night_s`."""
        t_s = self.t_s()
        return t_s, self.night_at(t_s)

    def stamp(self) -> Stamp:
        """Return the time on both clocks as the fields of an event: `add(Healed(**stamp(), ...))`."""
        t_s, night_s = self.now()
        return {"t_s": t_s, "night_s": night_s}

    def add(self, event: Event) -> None:
        """Write an event."""
        self.writer.append(event)
        self.listener(event)

    def observed_since(self, since_s: float) -> None:
        """Write that the facility was only observed since a moment (`t_s`): by that the verdict decides what would not have recovered."""
        stamp = self.stamp()
        until_s = stamp["t_s"]
        self.add(Observed(**stamp, phase="settle", since_s=min(since_s, until_s), until_s=until_s))

    def end(self, reason: Literal["complete", "interrupted", "failed"], detail: str) -> None:
        """Write the last line, once: a complete replay stays complete, whatever happens while its facility is taken down."""
        if self.ended:
            return
        self.add(End(**self.stamp(), reason=reason, detail=detail))
        self.ended = True

    @contextmanager
    def ending(self, interrupted: str) -> Iterator[None]:
        """Write the journal's end when the block is interrupted or fails, also by an error of the testbed; raise the exception again.

        Without an end the journal would look like that of a killed process.
        """
        try:
            yield
        except asyncio.CancelledError:
            self._end_anyway("interrupted", interrupted)
            raise
        except TestbedError as error:
            self._end_anyway("failed", str(error))
            raise
        except Exception as error:
            self._end_anyway("failed", f"an error of the testbed itself: {type(error).__name__}: {error}")
            raise

    def _end_anyway(self, reason: Literal["interrupted", "failed"], detail: str) -> None:
        """Write the end; an error of the journal must not hide the exception that ended the replay."""
        with suppress(TestbedError):
            self.end(reason, detail)

    def record_service(self, name: str, state: Literal["started", "ready", "stopped", "died"], pid: int | None, detail: str = "") -> None:
        """Write the new state of a service."""
        self.add(Service(**self.stamp(), service=name, state=state, pid=pid, detail=detail))
