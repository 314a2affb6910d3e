"""The fake load generator."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.facility.load_generator import RequestEnded, RequestSent
from testbed.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from testbed.facility.load_generator import DueRequest


@dataclass(slots=True)
class FakeLoadGenerator:
    """Sends requests to fake callers at their times, each whether or not others came back."""

    runtime: FakeRuntime
    requests: Sequence[DueRequest]
    _told: asyncio.Queue[RequestSent | RequestEnded | None] = field(default_factory=asyncio.Queue)
    _timers: list[asyncio.TimerHandle] = field(default_factory=list)
    _sent: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self, start_s: float) -> None:
        """Set a timer for each request."""
        loop = asyncio.get_running_loop()
        self._timers = [loop.call_at(start_s + due.due_s, self._send, due, start_s) for due in self.requests]

    def _send(self, due: DueRequest, start_s: float) -> None:
        task = asyncio.create_task(self._ask(due, start_s))
        self._sent.add(task)
        task.add_done_callback(self._sent.discard)

    async def _ask(self, due: DueRequest, start_s: float) -> None:
        now, request = asyncio.get_running_loop().time, due.request
        self._told.put_nowait(RequestSent(request.id, now() - start_s))
        error = await self.runtime.service(request.caller).ask(request.transaction)
        self._told.put_nowait(RequestEnded(request.id, now() - start_s, 502 if error else 200, error))

    async def events(self) -> AsyncIterator[RequestSent | RequestEnded]:
        """Give what happens, until it dies."""
        while (event := await self._told.get()) is not None:
            yield event

    def die(self) -> None:
        """End in the middle of the night."""
        self.stop()
        self._told.put_nowait(None)

    def stop(self) -> None:
        """Send nothing more, and wait for nothing more."""
        for timer in self._timers:
            timer.cancel()
        for task in self._sent:
            task.cancel()
