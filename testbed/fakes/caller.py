"""A fake caller: transactions that call the application servers in turn, and wait for them as long as the settings say (O6)."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from testbed.fakes.service import FakeService
from testbed.observe.dump import SOCKET
from testbed.topology import TRANSACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testbed.topology import CallerSettings, FacilityPlan

LOCAL_S = 0.001  # what a transaction takes that calls nobody
SECOND_CALLS = ("check_in", "flight_status", "book")  # transactions that make a call of their own name after the lookup


class FakeCaller(FakeService):
    """A calling system. `server` finds an application server by its name, whichever process has it now."""

    def __init__(
        self, name: str, plan: FacilityPlan, settings: CallerSettings, servers: Sequence[str], server: Callable[[str], FakeService]
    ) -> None:
        super().__init__(name, plan.request_threads)
        self._read_timeout_s = settings.call_read_timeout_s
        self._turns = itertools.cycle(servers)
        self._server = server

    async def answer(self, operation: str) -> str:
        """Do a transaction."""
        if not TRANSACTIONS[self.name][operation]:
            await asyncio.sleep(LOCAL_S)
            return ""
        return await self._call("lookup_by_city") or (await self._call(operation) if operation in SECOND_CALLS else "")

    async def _call(self, operation: str) -> str:
        answer = self._server(next(self._turns)).ask(operation)
        with self.thread(SOCKET, operation):
            try:
                return await asyncio.wait_for(asyncio.shield(answer), self._read_timeout_s)
            except TimeoutError:
                return f"FacilityTimedOut: {operation} was not answered within {self._read_timeout_s:.2f} s"
