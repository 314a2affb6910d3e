"""A fake application server: a pool of connections that a switchover leaves stale, and a lookup that loses them or does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from testbed.fakes.service import FakeService
from testbed.journal.events import PoolSample
from testbed.journal.thread_states import CHECKOUT, DATABASE

if TYPE_CHECKING:
    from testbed.fakes.database import FakeDatabase
    from testbed.fakes.link import FakeLink
    from testbed.plan.settings import ServerSettings
    from testbed.plan.topology import FacilityPlan

TRIP_S = 0.0005  # there and back on the link to the database
TRIPS = 4  # of a lookup: declare, fetch, close, and the pool's rollback
DEAD = "OperationalError: the connection is closed"
NO_CONNECTION = "PoolTimeout: the pool gave none within its checkout time-out"
REFUSED = "503: refused before any work"
NOT_OPEN = 0  # in place of a connection's server: one that is opened when it is lent

# Its connections have no age, its statements and links are never slow, its health is green while it lives, it does not replace
# itself, keeps no sessions and leaks nothing but what a dead link makes it leak.
NOT_MODELLED = (
    *("pool_max_overflow", "pool_recycle_s", "statement_timeout_s", "socket_timeout_s"),
    *("handshaking", "let_it_crash_s", "governor_per_minute"),
    *("sessions", "sessions_kept_s", "leak_connection_every", "leak_memory_kib"),
)


class FakeServer(FakeService):
    """An application server. A connection is known by which start of the database server it goes to: to an earlier one, it is stale."""

    def __init__(self, name: str, plan: FacilityPlan, settings: ServerSettings, database: FakeDatabase, link: FakeLink) -> None:
        super().__init__(name, plan.request_threads)
        self._size = plan.pool_size
        self._settings = settings
        self._database = database
        self._link = link
        self._idle: asyncio.Queue[int] = asyncio.LifoQueue() if settings.pool_lifo else asyncio.Queue()
        self._waiting = 0
        self._leaked = 0
        self._oldest = 0  # connections to an earlier start of the database server than this are replaced when they are lent
        for _ in range(self._size):
            self._idle.put_nowait(database.starts if settings.pool_fill else NOT_OPEN)

    def pool(self) -> PoolSample:
        """Give the state of the pool."""
        idle = self._idle.qsize()
        return PoolSample(size=self._size, in_=idle, out=self._size - idle, waiting=self._waiting, leaked=self._leaked)

    def refuse(self) -> str:
        """Let in so many at once, and no more than there are connections for."""
        shed_load_at = self._settings.shed_load_at
        if shed_load_at is not None and self.arrived >= shed_load_at:
            return REFUSED
        return REFUSED if self._settings.fail_fast and self.arrived + self._leaked >= self._size else ""

    async def answer(self, operation: str) -> str:
        """Take a connection, use it, and give it back: or not, by the lookup (O3, S1)."""
        connection = await self._check_out(operation)
        if connection is None:
            return NO_CONNECTION
        with self.thread(DATABASE, operation):
            if connection < max(self._oldest, 1) or (self._settings.pool_pre_ping and not self._reaches(connection)):
                connection = self._database.starts if self._link.leads_to(self._database) else NOT_OPEN
            await self._trips(TRIPS - 1)
            works = self._reaches(connection)
            if works and operation == "lookup_by_city" and self._settings.lookup == "driver_cursor":
                await asyncio.sleep(self._settings.lookup_row_work_ms / 1000)
            await self._trips(1)
        if self._reaches(connection):
            self._idle.put_nowait(connection)
            return ""
        if operation == "lookup_by_city" and connection != NOT_OPEN and self._close_raises(works=works):
            self._leaked += 1
            if self._settings.pool_leak_reclaim_s is not None:
                asyncio.get_running_loop().call_later(self._settings.pool_leak_reclaim_s, self._reclaim)
        else:
            self._idle.put_nowait(NOT_OPEN)
        if operation == "lookup_by_city" and self._settings.lookup == "sqlalchemy_connection":
            self._oldest = self._database.starts  # the library throws away whatever was opened before the first that was dead
        return DEAD

    def _reclaim(self) -> None:
        self._leaked -= 1
        self._idle.put_nowait(NOT_OPEN)

    async def _check_out(self, operation: str) -> int | None:
        """Take a connection out of the pool, waiting for as long as the settings say; None when there was none."""
        self._waiting += 1
        try:
            with self.thread(CHECKOUT, operation):
                async with asyncio.timeout(self._settings.pool_checkout_timeout_s):
                    return await self._idle.get()
        except TimeoutError:
            return None
        finally:
            self._waiting -= 1

    async def _trips(self, count: int) -> None:
        await asyncio.sleep(count * (TRIP_S + self._link.latency_s))

    def _reaches(self, connection: int) -> bool:
        return self._database.running and connection == self._database.starts

    def _close_raises(self, *, works: bool) -> bool:
        """Whether the statement's close, on a dead connection, keeps the lookup from giving the connection back.

        In `original` it always does. The driver's own cursor raises only when the rows had come before the link died (`works`).
        """
        return self._settings.lookup == "original" or (self._settings.lookup == "driver_cursor" and works)
