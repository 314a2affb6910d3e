"""A fake caller: transactions that call the application servers in turn, with the time-outs of the settings (O6)."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from testbed.fakes.service import LAST_WORDS, FakeService
from testbed.journal.events import BreakerSample
from testbed.journal.thread_states import SOCKET
from testbed.plan.topology import TRANSACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testbed.journal.events import BreakerState
    from testbed.plan.settings import CallerSettings
    from testbed.plan.topology import FacilityPlan

LOCAL_S = 0.001  # how long a transaction takes that needs no call
SECOND_CALLS = ("check_in", "flight_status", "book")  # transactions that make a call of their own name after the lookup
# It knows no passengers, so it can cache no answer; each of its transactions has a thread, so none waits without one; and it has as many
# connections as it has calls. Its breaker counts calls that have ended, and its retries have no budget.
NOT_MODELLED = (
    *("cached_answers_s", "decoupled", "call_connections", "leak_connection_every", "circuit_breaker_slow_call_s", "retry_budget"),
    "bulkhead_spare_threads",
)
OPEN = "CircuitOpen: the call was not made"
FULL = "FacilityFailed: every place of the bulkhead is taken"


class FakeBreaker:
    """A circuit breaker as the real one is: after its open time it lets one call through, and a call from before it opened counts not."""

    def __init__(self, failures: int, open_s: float) -> None:
        self._most, self._open_s = failures, open_s
        self._failures = 0  # in a row
        self._opened_s = 0.0  # when it opened last
        self._trial = False  # whether the trial call is under way
        self._opened = self._let_through = self._refused = 0

    @property
    def _state(self) -> BreakerState:
        if self._failures < self._most:
            return "closed"
        return "open" if asyncio.get_running_loop().time() < self._opened_s + self._open_s else "half_open"

    def enter(self) -> int | None:
        """Let a call through, and return how often it had opened by then; None if the call is refused."""
        if self._state == "open" or self._trial:
            self._refused += 1
            return None
        self._trial = self._state == "half_open"
        self._let_through += 1
        return self._opened

    def exit(self, opened: int, *, failed: bool) -> None:
        """Count how a call ended."""
        if opened != self._opened:
            return
        self._trial = False
        self._failures = self._failures + 1 if failed else 0
        if self._failures >= self._most:
            self._opened += 1
            self._opened_s = asyncio.get_running_loop().time()

    def sample(self) -> BreakerSample:
        """Return its state and its counts."""
        return BreakerSample(self._state, self._opened, self._let_through, self._refused)


class FakeCaller(FakeService):
    """A calling system. `server` returns the service that runs now under the name of an application server."""

    def __init__(
        self, name: str, plan: FacilityPlan, settings: CallerSettings, servers: Sequence[str], server: Callable[[str], FakeService]
    ) -> None:
        super().__init__(name, plan.request_threads)
        self._settings = settings
        self._turns = itertools.cycle(servers)
        self._server = server
        self._inside = 0  # calls inside the bulkhead
        self._breaker = (
            None if settings.circuit_breaker_at is None else FakeBreaker(settings.circuit_breaker_at, settings.circuit_breaker_open_s)
        )

    def breaker(self) -> BreakerSample | None:
        """Return the state and the counts of its circuit breaker, if the settings have one."""
        return None if self._breaker is None else self._breaker.sample()

    async def answer(self, operation: str) -> str:
        """Run a transaction; return its error, or an empty text."""
        if not TRANSACTIONS[self.name][operation]:
            await asyncio.sleep(LOCAL_S)
            return ""
        return await self._call("lookup_by_city") or (await self._call(operation) if operation in SECOND_CALLS else "")

    async def _call(self, operation: str) -> str:
        """Make a call through the patterns in the order of the real ones: bulkhead, deadline, retry, circuit breaker."""
        if self._settings.bulkhead_at is not None and self._inside >= self._settings.bulkhead_at:
            return FULL
        self._inside += 1
        try:
            async with asyncio.timeout(self._settings.call_deadline_s):
                return await self._attempts(operation)
        except TimeoutError:
            return f"CallDeadlineExceeded: {operation} was not answered within {self._settings.call_deadline_s:.2f} s"
        finally:
            self._inside -= 1

    async def _attempts(self, operation: str) -> str:
        error = await self._call_unless_open(operation)
        for _ in range(self._settings.retries):
            if error in ("", OPEN):
                break
            await asyncio.sleep(self._settings.retry_wait_s)
            error = await self._call_unless_open(operation)
        return error

    async def _call_unless_open(self, operation: str) -> str:
        if self._breaker is None:
            return await self._send(operation)
        opened = self._breaker.enter()
        if opened is None:
            return OPEN
        error = LAST_WORDS  # of a caller that dies
        try:
            error = await self._send(operation)
        finally:
            self._breaker.exit(opened, failed=bool(error))
        return error

    async def _send(self, operation: str) -> str:
        read_timeout_s = self._settings.call_read_timeout_s
        answer = self._server(next(self._turns)).ask(operation)
        with self.thread(SOCKET, operation):
            try:
                async with asyncio.timeout(read_timeout_s):
                    return await asyncio.shield(answer)
            except TimeoutError:
                return f"FacilityTimedOut: {operation} was not answered within {read_timeout_s:.2f} s"
