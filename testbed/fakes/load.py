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
    """Sends each request to its fake caller when it is due, whether or not earlier ones came back."""

    runtime: FakeRuntime
    requests: Sequence[DueRequest]
    _events: asyncio.Queue[RequestSent | RequestEnded | None] = field(default_factory=asyncio.Queue)
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
        self._events.put_nowait(RequestSent(request.id, now() - start_s))
        error = await self.runtime.service(request.caller).ask(request.transaction)
        self._events.put_nowait(RequestEnded(request.id, now() - start_s, 502 if error else 200, error))

    async def events(self) -> AsyncIterator[RequestSent | RequestEnded]:
        """Yield what is sent and what has ended, until the generator dies."""
        while (event := await self._events.get()) is not None:
            yield event

    def die(self) -> None:
        """End before the night is over, as a killed process does."""
        self.stop()
        self._events.put_nowait(None)

    def stop(self) -> None:
        """Cancel the requests that are not due yet, and those in flight."""
        for timer in self._timers:
            timer.cancel()
        for task in self._sent:
            task.cancel()
