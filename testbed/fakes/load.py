"""The fake load generator."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.facility.load_generator import AS_PLANNED, RequestEnded, RequestSent, real_s
from testbed.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from testbed.facility.load_generator import DueRequest, Rate


@dataclass(slots=True)
class FakeLoadGenerator:
    """Sends each request to its fake caller when it is due, whether or not earlier ones came back."""

    runtime: FakeRuntime
    requests: Sequence[DueRequest]
    _events: asyncio.Queue[RequestSent | RequestEnded | None] = field(default_factory=asyncio.Queue)
    _start_s: float = 0.0
    _timers: dict[int, asyncio.TimerHandle] = field(default_factory=dict)
    _begun: set[int] = field(default_factory=set)  # the ids of what was sent
    _sent: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self, start_s: float) -> None:
        """Set a timer for each request."""
        self._start_s = start_s
        self.change_rates(AS_PLANNED)

    def change_rates(self, rates: Sequence[Rate]) -> None:
        """Set the timers of what is not sent yet anew."""
        loop = asyncio.get_running_loop()
        for timer in self._timers.values():
            timer.cancel()
        waiting = [due for due in self.requests if due.request.id not in self._begun]
        due_s = {due.request.id: self._start_s + real_s(rates, due.due_s) for due in waiting}
        self._timers = {
            due.request.id: loop.call_at(due_s[due.request.id], self._send, due) for due in waiting if math.isfinite(due_s[due.request.id])
        }

    def _send(self, due: DueRequest) -> None:
        self._begun.add(due.request.id)
        task = asyncio.create_task(self._ask(due))
        self._sent.add(task)
        task.add_done_callback(self._sent.discard)

    async def _ask(self, due: DueRequest) -> None:
        now, request = asyncio.get_running_loop().time, due.request
        sent_s = now() - self._start_s
        self._events.put_nowait(RequestSent(request.id, sent_s, begun_s=sent_s))
        error = await self.runtime.service(request.caller).ask(request.transaction)
        self._events.put_nowait(RequestEnded(request.id, now() - self._start_s, 502 if error else 200, error))

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
        for timer in self._timers.values():
            timer.cancel()
        for task in self._sent:
            task.cancel()
