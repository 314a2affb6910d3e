"""The connection pool of an application server: a data source that fills at start and tracks every connection that is checked out."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from anyio import to_thread
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import TimeoutError as CheckoutTimeout
from sqlalchemy.pool import QueuePool

from flight_search import calls, request_context
from flight_search.stability import deadline, idle_in_transaction, link_limits, statement_deadline, statement_timeout
from flight_search.stability.before_checkout import BeforeCheckout, RestedTooLong
from flight_search.stability.deadline_propagation import DeadlinePool
from flight_search.stability.statement_deadline import BoundedConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Dialect
    from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

    from flight_search.request_context import RequestContext
    from flight_search.settings import ServerSettings

RETRY_S = 0.05
CHECKOUT_ID = "checkout_id"  # the key in the pool's `record_info` of a connection


class PoolTimeout(Exception):  # noqa: N818 - named for what happened, as psycopg_pool's
    """The pool gave no connection within its checkout time-out; the message has the pool's state."""


@dataclass(frozen=True, slots=True)
class PoolState:
    """The pool's state, in numbers of connections; `waiting` is a number of threads.

    `leaked`: connections out whose request has ended, so that nothing is left to check them in (O3, O4). `connects_failed`: attempts to
    open a connection that have failed since one last succeeded, each of which fails a checkout, and `connect_error` with what the last did.
    """

    size: int
    in_pool: int
    out: int
    waiting: int
    leaked: int
    opened_total: int
    invalidated_total: int
    connects_failed: int = 0
    connect_error: str = ""


@dataclass(eq=False, slots=True)
class PooledConnection:
    """A connection checked out of the pool. `driver` is psycopg's own; `close` checks it in.

    `checkout_id`: its key in the table of connections out, a new one for each checkout. `checked_out_at`: the calls that led to it.
    `backend_pid`: the process in the database server that served it at its checkout, 0 if the driver knew that the link is dead.
    `by_library`: SQLAlchemy's `Connection` has it, and checks it in by itself, also if the link turns out to be dead.
    """

    source: MonitoredDataSource
    fairy: PoolProxiedConnection
    driver: psycopg.Connection[tuple[Any, ...]]
    request: RequestContext
    since_s: float
    checkout_id: int
    checked_out_at: tuple[calls.Call, ...] = ()
    backend_pid: int = 0
    by_library: bool = False

    @property
    def number(self) -> int:
        """A number that identifies the connection, over all its checkouts."""
        return id(self.driver)

    def close(self) -> None:
        """Check the connection in; the pool throws a dead one away, and opens another at the next checkout."""
        self.source.checkin(self)


class MonitoredDataSource:
    """A pool of database connections with a table of those checked out, as the case's data source had. Thread-safe.

    Raises psycopg.Error if a connection cannot be opened, and PoolTimeout if none is free within the checkout time-out; `original` has
    no checkout time-out and waits for ever (O4). Raises DeadlineExceeded if it came when the request's deadline was over.
    """

    def __init__(self, settings: ServerSettings, connect: Callable[[], psycopg.Connection[tuple[Any, ...]]] | None = None) -> None:
        self._settings = settings
        self._connect = connect or _connect(settings)
        self._lock = threading.Lock()
        self._waiting = 0
        self._opened = 0
        self._lost = 0
        self._connects_failed = 0
        self._connect_error = ""
        self._checkout_ids = itertools.count(1)
        # This table holds a reference to every connection that is out, and that is what makes a leak a leak. Without it, CPython would
        # collect a connection that its request forgot, and SQLAlchemy would silently put the collected one back into the pool.
        self._out: dict[int, PooledConnection] = {}
        self.before_checkout = BeforeCheckout.of(settings)
        library_pings = settings.pool_pre_ping and self.before_checkout is None
        self._pool = (DeadlinePool if settings.deadline_propagation else QueuePool)(
            self._open,  # type: ignore[arg-type]  # psycopg's connection is a DBAPI connection, but the stub does not say so
            pool_size=settings.pool_size,
            max_overflow=settings.pool_max_overflow,
            # None is "wait for ever" to SQLAlchemy, and was so to the case's pool; SQLAlchemy's own default is 30 s (S2).
            timeout=settings.pool_checkout_timeout_s,  # type: ignore[arg-type]  # None works and is documented, but is not in the type
            recycle=-1 if settings.pool_recycle_s is None else settings.pool_recycle_s,
            pre_ping=library_pings,
            use_lifo=settings.pool_lifo,
            # None leaves open, for whoever takes the connection next, what a request did not end (`lookup/abandoned.py`).
            reset_on_return="rollback" if settings.pool_reset else None,
            dialect=_dialect() if library_pings else None,
        )
        # Created before the first connection is opened: SQLAlchemy asks the first one for the server's version.
        self._engine = create_engine("postgresql+psycopg://", pool=self._pool) if settings.lookup == "sqlalchemy_connection" else None
        if self.before_checkout is not None:
            self.before_checkout.listen(self._pool)
        event.listen(self._pool, "checkin", self._on_checkin)
        event.listen(self._pool, "invalidate", self._on_invalidate)

    def _on_checkin(self, _: object, entry: ConnectionPoolEntry) -> None:
        """Remove a connection from the table if it was not checked in through `checkin`: SQLAlchemy's `Connection` does it by itself."""
        assert entry.record_info is not None
        with self._lock:
            self._out.pop(entry.record_info.pop(CHECKOUT_ID, 0), None)

    def _on_invalidate(self, _: object, __: object, error: BaseException | None) -> None:
        if isinstance(error, RestedTooLong):
            return  # it need not be dead
        with self._lock:
            self._lost += 1

    @property
    def name(self) -> str:
        """The name of the server that owns the pool."""
        return self._settings.name

    @property
    def capacity(self) -> int | None:
        """The largest number of connections at once; None without a limit."""
        return None if self._settings.pool_max_overflow < 0 else self._settings.pool_size + self._settings.pool_max_overflow

    @property
    def row_work_s(self) -> float:
        """How long a lookup works on its rows before it closes, in seconds."""
        return self._settings.lookup_row_work_ms / 1000

    def _open(self) -> psycopg.Connection[tuple[Any, ...]]:
        try:
            connection = self._connect()
        except psycopg.Error as error:
            with self._lock:
                self._connects_failed += 1
                self._connect_error = request_context.error_text(error)
            raise
        with self._lock:
            self._opened += 1
            self._connects_failed, self._connect_error = 0, ""
        return connection

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection that is none of the pool's, with the same limits; raises psycopg.Error."""
        return self._connect()

    def fill(self) -> None:
        """Open every connection of the pool; wait for the database for `start_timeout_s` at most, then raise psycopg.OperationalError.

        The case's pool opened all its connections at start; SQLAlchemy's opens them as needed. Filled on demand, a night's light
        traffic would have only some of them open at the switchover, only those would go stale, and the airline would fly.
        """
        deadline_s = time.monotonic() + self._settings.start_timeout_s
        connections: list[PooledConnection] = []
        while len(connections) < self._settings.pool_size:
            connections.append(self._wait_connected(deadline_s))
        for connection in connections:
            connection.close()

    def _wait_connected(self, deadline_s: float) -> PooledConnection:
        """Check out a connection, and wait until the deadline for a database that is still starting; then raise its last error."""
        while True:
            try:
                return self.get_connection()
            except psycopg.OperationalError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(RETRY_S)

    async def get_connection_in_thread(self) -> PooledConnection:
        """Check out a connection for a task of the event loop; a request thread waits for it.

        Where all request threads do, whoever has a connection gets no thread to go on with, and none comes back.
        """
        return await to_thread.run_sync(self.get_connection, calls.current(beyond=__file__))

    def get_connection(self, taken_at: tuple[calls.Call, ...] = ()) -> PooledConnection:
        """Check out a connection, and record which request has it; `taken_at`: the calls that led here, where they are another thread's."""
        timeout_s = deadline.within(self._settings.pool_checkout_timeout_s)
        with self._lock:
            self._waiting += 1
        try:
            fairy = self._pool.connect()
        except CheckoutTimeout as error:
            state = self.state()
            raise PoolTimeout(
                f"pool '{self._settings.name}' gave no connection within {timeout_s or 0.0:.2f} s: "
                f"{state.out} of {state.size} out, {state.waiting} waiting"
            ) from error
        finally:
            with self._lock:
                self._waiting -= 1
        checkout_id, driver = next(self._checkout_ids), fairy.driver_connection
        assert isinstance(driver, psycopg.Connection)
        assert fairy.record_info is not None
        fairy.record_info[CHECKOUT_ID] = checkout_id
        request, taken_at = request_context.current(), taken_at or calls.current(beyond=__file__)
        connection = PooledConnection(self, fairy, driver, request, time.monotonic(), checkout_id, taken_at, driver.info.backend_pid)
        with self._lock:
            self._out[checkout_id] = connection
        if isinstance(driver, BoundedConnection):
            driver.on_exceeded = partial(self._discard, connection)
        if deadline.is_over():
            # Opening it took all that was left. A statement would be ended as it begins, and the new connection thrown away with it; so
            # each request after this one would open another, and none would ever be served.
            connection.close()
            deadline.require_left()
        return connection

    def sqlalchemy_connection(self) -> Connection:
        """Check out a connection of the same pool as SQLAlchemy's own `Connection`, as `Engine.connect` does; `close` checks it in.

        It stays in the table until it is checked in, by its `close` or by the library, if an error says that the link is dead. On such
        an error the library also throws away every connection that the pool opened before it.
        """
        assert self._engine is not None, "the engine exists only for the lookup sqlalchemy_connection"
        connection = self.get_connection()
        connection.by_library = True
        return Connection(self._engine, connection.fairy)

    def checkin(self, connection: PooledConnection) -> None:
        """Check a connection in; does nothing if it is in already."""
        with self._lock:
            if self._out.pop(connection.checkout_id, None) is None:
                return
        connection.fairy.close()

    def _discard(self, connection: PooledConnection) -> None:
        """Free the place of a connection that its own driver has closed in the middle of an answer; does nothing if it is in already.

        At once, and not when it is checked in: in `original` the close of the statement raises now, and the check-in is skipped (O3).
        SQLAlchemy's `Connection` finds its own closed, and frees the place by itself.
        """
        with self._lock:
            if connection.by_library or self._out.pop(connection.checkout_id, None) is None:
                return
            self._lost += 1
        connection.fairy.detach()

    def reclaim(self, connection: PooledConnection) -> bool:
        """Take a connection from its request and close it, so that its place in the pool is free; return False if it was in already.

        If SQLAlchemy's `Connection` has it for a request that still runs, only its link is cut: the library checks it in when it next
        uses it, and a connection that is checked in twice would be handed out twice.
        """
        if connection.by_library and connection.request.running:
            _cut(connection.driver)
            return False
        with self._lock:
            if self._out.pop(connection.checkout_id, None) is None:
                return False
        _cut(connection.driver)  # a thread that waits for the server over it wakes up with an error
        with connection.driver.lock:  # psycopg's own lock, so that nothing is freed while another thread uses it
            connection.driver.close()
        connection.fairy.detach()
        return True

    def dispose(self) -> None:
        """Close all connections, in the pool and out of it; for the end of the process, or of a test."""
        for connection in self.out():
            connection.driver.close()
            self.checkin(connection)
        self._pool.dispose()

    def state(self) -> PoolState:
        """Return the pool's state; quick, and never waits for a thread that waits for a connection."""
        with self._lock:
            out = len(self._out)
            # Under the lock: a connection that is just being checked in, by a request that then ends, would otherwise count as leaked.
            leaked = sum(not connection.request.running for connection in self._out.values())
            waiting, opened, lost = self._waiting, self._opened, self._lost
            connects_failed, connect_error = self._connects_failed, self._connect_error
        return PoolState(
            size=self._settings.pool_size,
            in_pool=self._pool.checkedin(),
            out=out,
            waiting=waiting,
            leaked=leaked,
            opened_total=opened,
            invalidated_total=lost,
            connects_failed=connects_failed,
            connect_error=connect_error,
        )

    def out(self) -> list[PooledConnection]:
        """Return the connections that are out, the longest out first."""
        with self._lock:
            return sorted(self._out.values(), key=lambda connection: connection.since_s)


def _connect(settings: ServerSettings) -> Callable[[], psycopg.Connection[tuple[Any, ...]]]:
    """Return what opens a connection with the limits that the settings put on it."""
    conninfo = _conninfo(settings)
    if settings.statement_deadline_s is None and not settings.deadline_propagation:
        return lambda: psycopg.connect(conninfo)
    conninfo = make_conninfo(conninfo, **statement_deadline.options(str(conninfo_to_dict(conninfo).get("options") or "")))
    limit_s = settings.statement_deadline_s

    def connect() -> BoundedConnection:
        with nullcontext() if limit_s is None else deadline.limited(limit_s):
            connection = BoundedConnection.connect(conninfo)
        connection.limit_s = limit_s
        return connection

    return connect


def _conninfo(settings: ServerSettings) -> str:
    """Return libpq's connection string with every limit that is set; the two that are the server's own share its `options`."""
    conninfo = make_conninfo(settings.database, **link_limits.options(settings))
    conninfo = make_conninfo(conninfo, **statement_timeout.options(settings.statement_timeout_s, conninfo))
    return make_conninfo(conninfo, **idle_in_transaction.options(settings.idle_in_transaction_session_timeout_s, conninfo))


def _cut(driver: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Shut down a connection's socket without closing its descriptor: the number could be another socket's by the owner's next read."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(driver.fileno())) as duplicate:  # it may be dead or closed already
        duplicate.shutdown(socket.SHUT_RDWR)


def _dialect() -> Dialect:
    """Return SQLAlchemy's dialect for psycopg; the pool pings through it."""
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg  # noqa: PLC0415 - slow to import, rarely needed

    return PGDialect_psycopg(dbapi=PGDialect_psycopg.import_dbapi())  # type: ignore[no-untyped-call]  # SQLAlchemy's own code is untyped there
