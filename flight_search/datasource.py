"""The resource pool of an application server: a data source that fills at start and keeps watch over what it hands out."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import TimeoutError as CheckoutTimeout
from sqlalchemy.pool import QueuePool

from flight_search import request_context
from flight_search.stability import socket_timeout, statement_timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Dialect
    from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

    from flight_search.request_context import RequestContext
    from flight_search.settings import ServerSettings

WAIT_FOR_EVER = None
RETRY_S = 0.05
CHECKOUT_ID = "checkout_id"  # where the pool keeps, with a connection, the number under which the table has it


class PoolTimeout(Exception):  # noqa: N818 - named for what it is, as the pool's users know it
    """The pool gave no connection within its checkout time-out; the message has the pool's state."""


@dataclass(frozen=True, slots=True)
class PoolState:
    """A look at the pool. Numbers of connections; `waiting` is a number of threads.

    `leaked`: connections out whose request has ended, so that nobody is left who would return them (O3, O4).
    """

    size: int
    in_pool: int
    out: int
    waiting: int
    leaked: int
    opened_total: int
    invalidated_total: int


@dataclass(eq=False, slots=True)
class PooledConnection:
    """A connection out of the pool. `driver` is psycopg's own; `close` gives it back.

    `checkout_id`: its number in the table of those that are out; each time that it is lent it has another.
    `by_library`: SQLAlchemy's `Connection` has it, and gives it back by itself, also when the link turns out to be dead.
    """

    source: MonitoredDataSource
    fairy: PoolProxiedConnection
    driver: psycopg.Connection[tuple[Any, ...]]
    request: RequestContext
    since_s: float
    checkout_id: int
    by_library: bool = False

    @property
    def number(self) -> int:
        """Tell it from others."""
        return id(self.driver)

    def close(self) -> None:
        """Give the connection back; a dead one is thrown away by the pool, which opens another when it is next asked."""
        self.source.checkin(self)


class MonitoredDataSource:
    """A pool of database connections with a table of those that are out, as the case's data source kept one.

    Thread-safe. Raises psycopg.Error when a connection cannot be opened, PoolTimeout when the pool has a checkout time-out and it
    passed; in `original` it has none and waits for ever (O4).
    """

    def __init__(self, settings: ServerSettings, connect: Callable[[], psycopg.Connection[tuple[Any, ...]]] | None = None) -> None:
        self._settings = settings
        options = {
            **statement_timeout.options(settings.statement_timeout_s, settings.database),
            **socket_timeout.options(settings.socket_timeout_s),
        }
        self._connect = connect or (lambda: psycopg.connect(settings.database, **options))  # type: ignore[arg-type]  # libpq's own words
        self._lock = threading.Lock()
        self._waiting = 0
        self._opened = 0
        self._lost = 0
        self._checkout_ids = itertools.count(1)
        # This table holds a reference to every connection that is out, and that is what makes a leak a leak. Without it, CPython would
        # collect a connection that its borrower forgot, and SQLAlchemy would quietly take the collected one back into the pool.
        self._out: dict[int, PooledConnection] = {}
        self._pool = QueuePool(
            self._open,  # type: ignore[arg-type]  # psycopg's connection is a DBAPI connection in all but the stub's eyes
            pool_size=settings.pool_size,
            max_overflow=settings.pool_max_overflow,
            # SQLAlchemy takes no time-out as "wait for ever", as the case's pool did; its own default is 30 s (S2).
            timeout=settings.pool_checkout_timeout_s,  # type: ignore[arg-type]  # None works and is documented, but is not in the type
            recycle=-1 if settings.pool_recycle_s is None else settings.pool_recycle_s,
            pre_ping=settings.pool_pre_ping,
            use_lifo=settings.pool_lifo,
            dialect=_dialect() if settings.pool_pre_ping else None,
        )
        # Made before the first connection is opened: SQLAlchemy asks that one what server it is.
        self._engine = create_engine("postgresql+psycopg://", pool=self._pool) if settings.lookup == "sqlalchemy_connection" else None
        event.listen(self._pool, "checkin", self._on_checkin)
        event.listen(self._pool, "invalidate", self._on_invalidate)

    def _on_checkin(self, _: object, entry: ConnectionPoolEntry) -> None:
        """Strike off a connection that comes back by another way than ours: SQLAlchemy's own `Connection` returns it by itself."""
        assert entry.record_info is not None
        with self._lock:
            self._out.pop(entry.record_info.pop(CHECKOUT_ID, 0), None)

    def _on_invalidate(self, *_: object) -> None:
        with self._lock:
            self._lost += 1

    @property
    def name(self) -> str:
        """Whose pool it is."""
        return self._settings.name

    @property
    def capacity(self) -> int | None:
        """How many connections there may be at once; None without a limit."""
        return None if self._settings.pool_max_overflow < 0 else self._settings.pool_size + self._settings.pool_max_overflow

    @property
    def row_work_s(self) -> float:
        """How long a lookup works on its rows before it closes, in seconds."""
        return self._settings.lookup_row_work_ms / 1000

    def _open(self) -> psycopg.Connection[tuple[Any, ...]]:
        connection = self._connect()
        with self._lock:
            self._opened += 1
        return connection

    def fill(self) -> None:
        """Open every connection of the pool, waiting for the database at most as long as the settings say.

        The case's pool opened all its connections at start; SQLAlchemy's opens them as needed. Filled on demand, a night's light
        traffic has only some of them open at the switchover, only those go stale, and the airline flies.
        """
        deadline = time.monotonic() + self._settings.start_timeout_s
        held: list[PooledConnection] = []
        while len(held) < self._settings.pool_size:
            try:
                held.append(self.get_connection())
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_S)  # the database is coming up beside us; bounded by the deadline above
        for connection in held:
            connection.close()

    def get_connection(self) -> PooledConnection:
        """Take a connection out of the pool, and write down who has it."""
        with self._lock:
            self._waiting += 1
        try:
            fairy = self._pool.connect()
        except CheckoutTimeout as error:
            state = self.state()
            raise PoolTimeout(
                f"pool '{self._settings.name}' gave no connection within {self._settings.pool_checkout_timeout_s:.2f} s: "
                f"{state.out} of {state.size} out, {state.waiting} waiting"
            ) from error
        finally:
            with self._lock:
                self._waiting -= 1
        checkout_id, driver = next(self._checkout_ids), fairy.driver_connection
        assert isinstance(driver, psycopg.Connection)
        assert fairy.record_info is not None
        fairy.record_info[CHECKOUT_ID] = checkout_id
        connection = PooledConnection(self, fairy, driver, request_context.current(), time.monotonic(), checkout_id)
        with self._lock:
            self._out[checkout_id] = connection
        return connection

    def sqlalchemy_connection(self) -> Connection:
        """Take a connection out of the same pool as SQLAlchemy's own `Connection`, as `Engine.connect` does; `close` gives it back.

        It is in the table until the pool has it, whoever gives it back: its `close`, or the library, when an error says that the link is
        gone. Such an error also lets the library throw away whatever the pool opened before it.
        """
        assert self._engine is not None, "there is an engine where the lookup is sqlalchemy_connection"
        connection = self.get_connection()
        connection.by_library = True
        return Connection(self._engine, connection.fairy)

    def checkin(self, connection: PooledConnection) -> None:
        """Take a connection back into the pool; nothing happens when it is back already."""
        with self._lock:
            if self._out.pop(connection.checkout_id, None) is None:
                return
        connection.fairy.close()

    def reclaim(self, connection: PooledConnection) -> bool:
        """Take a connection from whoever has it: it is closed, and its place in the pool is for the next; False when it was back already.

        One that SQLAlchemy's `Connection` has for a request that still runs is only cut: the library gives it back when it next uses it,
        and two who give back one connection would have it lent twice.
        """
        if connection.by_library and connection.request.running:
            _cut(connection.driver)
            return False
        with self._lock:
            if self._out.pop(connection.checkout_id, None) is None:
                return False
        _cut(connection.driver)  # whoever waits for the server over it wakes up with an error
        with connection.driver.lock:  # psycopg's own, so that nothing is freed while another thread is in it
            connection.driver.close()
        connection.fairy.detach()
        return True

    def dispose(self) -> None:
        """Close what is in the pool and what is out of it; for the end of the process, or of a test."""
        for connection in self.out():
            connection.driver.close()
            self.checkin(connection)
        self._pool.dispose()

    def state(self) -> PoolState:
        """Look at the pool; quick, and never waits for a thread that waits for a connection."""
        with self._lock:
            out = len(self._out)
            # Under the lock, or a connection that is given back in this moment, by a request that then ends, would be taken for leaked.
            leaked = sum(not connection.request.running for connection in self._out.values())
            waiting, opened, lost = self._waiting, self._opened, self._lost
        return PoolState(
            size=self._settings.pool_size,
            in_pool=self._pool.checkedin(),
            out=out,
            waiting=waiting,
            leaked=leaked,
            opened_total=opened,
            invalidated_total=lost,
        )

    def out(self) -> list[PooledConnection]:
        """Give the connections that are out, those that have been out longest first."""
        with self._lock:
            return sorted(self._out.values(), key=lambda connection: connection.since_s)


def _cut(driver: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Shut down a connection's socket, and leave its descriptor to its owner: closed here, it could be another's by the next read."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(driver.fileno())) as same:  # unless it is dead already, or closed
        same.shutdown(socket.SHUT_RDWR)


def _dialect() -> Dialect:
    """Give SQLAlchemy's dialect for psycopg: the pool pings through it."""
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg  # noqa: PLC0415 - slow to import, rarely needed

    return PGDialect_psycopg(dbapi=PGDialect_psycopg.import_dbapi())  # type: ignore[no-untyped-call]  # SQLAlchemy's own code is untyped there
