"""What a fault or an operation may do while a night is replayed, and how all of it gets into the journal."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.errors import DumpError, TestbedError
from testbed.events import Step, Threads
from testbed.observe import dump

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from testbed.clock import NightClock
    from testbed.events import Event, Progress, ThreadGroup
    from testbed.facility import Facility
    from testbed.journal import JournalWriter
    from testbed.observe.watch import Watch


@dataclass(slots=True)
class Recorder:
    """Writes events with the time of now, on both clocks.

    `origin_s` is the replay's start and `night_start_s` the start of the night, both on the system's monotonic clock; before the
    night starts, its clock stands.
    """

    writer: JournalWriter
    clock: NightClock
    origin_s: float
    night_start_s: float | None = None

    def t_s(self) -> float:
        """Seconds since the replay's start."""
        return time.monotonic() - self.origin_s

    def night_at(self, t_s: float) -> float:
        """Give the night's time, in seconds since its midnight, at `t_s` seconds after the replay's start."""
        if self.night_start_s is None:
            return self.clock.night_s(0.0)
        return self.clock.night_s(max(0.0, t_s + self.origin_s - self.night_start_s))

    def now(self) -> tuple[float, float]:
        """Give the time on both clocks: `t_s`, `night_s`."""
        t_s = self.t_s()
        return t_s, self.night_at(t_s)

    def add(self, event: Event) -> None:
        """Write an event."""
        self.writer.append(event)


@dataclass(slots=True)
class Actions:
    """The hands of faults and operations: the facility, and a journal in which every step is written as it is done."""

    facility: Facility
    watch: Watch
    recorder: Recorder
    directory: Path
    word: str = ""
    id: int = 0
    _dumping: asyncio.Lock = field(default_factory=asyncio.Lock)

    def blocked_servers(self) -> tuple[str, ...]:
        """Give the application servers whose request threads are all blocked."""
        return tuple(name for name in self.facility.application_servers if self.watch.is_stuck(name))

    @asynccontextmanager
    async def step(self, number: int, text: str) -> AsyncIterator[None]:
        """Write the begin and the end of a step, or its failure with the reason."""
        started = time.monotonic()
        self._write_step(number, text, "begin", None, "")
        try:
            yield
        except TestbedError as error:
            self._write_step(number, text, "failed", time.monotonic() - started, str(error))
            raise
        self._write_step(number, text, "end", time.monotonic() - started, "")

    def _write_step(self, number: int, text: str, state: Progress, duration_s: float | None, detail: str) -> None:
        t_s, night_s = self.recorder.now()
        self.recorder.add(
            Step(
                t_s=t_s,
                night_s=night_s,
                operation=self.word,
                id=self.id,
                step=text,
                number=number,
                state=state,
                duration_s=duration_s,
                detail=detail,
            )
        )

    async def dump_threads(self) -> None:
        """Dump the threads of every application server and caller, all at once, and write what they say (O5, O6, P4)."""
        async with self._dumping, asyncio.TaskGroup() as group:
            for service in self.facility.services:
                group.create_task(self._dump(service))

    async def _dump(self, service: str) -> None:
        pid = self.facility.runtime.pid(service)
        sample = self.watch.last.get(service)
        file = self.directory / "threads" / f"{service}.json"
        groups: tuple[ThreadGroup, ...] = ()
        reason = None
        try:
            if pid is None:
                raise DumpError(f"the threads of {service} cannot be dumped: it does not run")
            groups = await dump.take(service, pid, file)
        except DumpError as error:
            reason = str(error)
        t_s, night_s = self.recorder.now()
        self.recorder.add(
            Threads(
                t_s=t_s,
                night_s=night_s,
                service=service,
                file=str(file.relative_to(self.directory.parent)),
                request_threads=sample.request_threads if sample and sample.request_threads else 0,
                groups=groups,
                error=reason,
            )
        )
