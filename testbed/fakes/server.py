"""A fake application server: a pool whose connections a switchover leaves stale, and a lookup that may leak them."""

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
NO_CONNECTION = "PoolTimeout: no connection within the checkout time-out"
REFUSED = "503: refused before any work"
NOT_OPEN = 0  # a pooled connection that is opened at its checkout

# Its connections have no age, its statements and links are never slow, it hears of no deadline, its health is green while it lives, it does
# not replace itself, stores no sessions, has no departure board, and leaks nothing but connections that died.
NOT_MODELLED = (
    *("pool_max_overflow", "pool_recycle_s", "pool_reset", "pool_max_idle_s", "pool_pre_ping_timeout_s", "statement_deadline_s"),
    *("statement_timeout_s", "idle_in_transaction_session_timeout_s", "socket_timeout_s", "connect_timeout_s"),
    *("tcp_user_timeout_s", "keepalives_idle_s", "keepalives_interval_s", "keepalives_count", "deadline_propagation"),
    *("handshaking", "health_check", "liveness_probe_s", "let_it_crash_s", "governor_per_minute"),
    *("sessions", "sessions_kept_s", "leak_connection_every", "leak_memory_kib", "departure_board"),
)


class FakeServer(FakeService):
    """An application server. A connection is the epoch of the database in which it was made: one of an earlier is stale."""

    def __init__(self, name: str, plan: FacilityPlan, settings: ServerSettings, database: FakeDatabase, link: FakeLink) -> None:
        super().__init__(name, plan.request_threads)
        self._size = plan.pool_size
        self._settings = settings
        self._database = database
        self._link = link
        self._idle: asyncio.Queue[int] = asyncio.LifoQueue() if settings.pool_lifo else asyncio.Queue()
        self._waiting = 0
        self._leaked = 0
        self._oldest = 0  # connections of an earlier epoch of the database than this are replaced at checkout
        for _ in range(self._size):
            self._idle.put_nowait(database.epoch if settings.pool_fill else NOT_OPEN)

    def pool(self) -> PoolSample:
        """Return the state of the pool."""
        idle = self._idle.qsize()
        return PoolSample(size=self._size, in_=idle, out=self._size - idle, waiting=self._waiting, leaked=self._leaked)

    def refuse(self) -> str:
        """Return the error of a request over the limits of `shed_load_at` or `fail_fast`; an empty text when it is accepted."""
        shed_load_at = self._settings.shed_load_at
        if shed_load_at is not None and self.arrived >= shed_load_at:
            return REFUSED
        return REFUSED if self._settings.fail_fast and self.arrived + self._leaked >= self._size else ""

    async def answer(self, operation: str) -> str:
        """Check out a connection, use it, and check it in, or leak it, as the lookup does (O3, S1)."""
        connection = await self._check_out(operation)
        if connection is None:
            return NO_CONNECTION
        with self.thread(DATABASE, operation):
            if connection < max(self._oldest, 1) or (self._settings.pool_pre_ping and not self._reaches(connection)):
                connection = self._database.epoch if self._link.leads_to(self._database) else NOT_OPEN
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
            self._oldest = self._database.epoch  # the library discards every connection opened before the dead one was noticed
        return DEAD

    def _reclaim(self) -> None:
        self._leaked -= 1
        self._idle.put_nowait(NOT_OPEN)

    async def _check_out(self, operation: str) -> int | None:
        """Wait for a connection for as long as the settings say, and check it out; None when there was none."""
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
        return self._database.running and connection == self._database.epoch

    def _close_raises(self, *, works: bool) -> bool:
        """Whether the statement's close raises on a dead connection, so that the lookup never checks the connection in.

        In `original` it always does. The driver's own cursor raises only when the rows had come before the link died (`works`).
        """
        return self._settings.lookup == "original" or (self._settings.lookup == "driver_cursor" and works)
