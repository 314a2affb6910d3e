"""Queries and rows of a database. The one file that knows psycopg, and raises ServiceError `from` its errors."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import threading
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from testbed.errors import ServiceError
from testbed.facility.database import EndedSessions
from testbed.runtime.credentials import AUTHENTICATION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from testbed.facility.address import Address
    from testbed.runtime.credentials import Login

DATABASE = "postgres"  # the one that initdb makes; a database of its own would be one more thing to create
PROVING_SINCE = 16  # the first libpq that can require a server to prove that it knows the password
CONNECT_WITHIN_S = 2  # the least that libpq takes
NAMES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
LOCK_FLIGHTS: LiteralString = "LOCK TABLE flights IN ACCESS EXCLUSIVE MODE"
COUNT_FLIGHTS: LiteralString = "SELECT count(*) FROM flights"
# Where a version cannot set the number, it has no setting of this name, and stores so many.
STRANGERS_HASHES: LiteralString = "SELECT set_config(name, boot_val, false) FROM pg_settings WHERE name = 'scram_iterations'"
ALIVE: LiteralString = "SELECT 1"
READ_ONLY: LiteralString = "SHOW transaction_read_only"  # also on where the server only recovers or follows
# Each is only signalled: `pg_terminate_backend` with a time-out would wait a tenth of a second for each.
END_SESSIONS: LiteralString = """
WITH theirs AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename = %(role)s)
SELECT coalesce(array_agg(pid) FILTER (WHERE pg_terminate_backend(pid)), '{}') FROM theirs
"""
STILL_THERE: LiteralString = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%(pids)s)"
LOOK_EVERY_S = 0.02
# Measuring must not wait for what is locked (as `slow_database` locks the flights), or for a server that is too busy to answer.
PATIENCE = "-c lock_timeout=50ms -c statement_timeout=1s"
SIZE = sql.SQL("SELECT {name}, pg_total_relation_size({name}::regclass), (SELECT count(*) FROM {table})")

Tables = dict[str, tuple[str, ...]]
# Every failure is raised as an error. psycopg also logs a warning of a query that it could not cancel: it would go to the terminal.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


@asynccontextmanager
async def _bounded(address: Address, within_s: float, failing: str) -> AsyncIterator[None]:
    """Allow `within_s` seconds for what is done inside; raises ServiceError, which says what is `failing`, after that or on an error."""
    try:
        async with asyncio.timeout(within_s):
            yield
    except (psycopg.Error, TimeoutError) as error:
        reason = str(error) or f"not done within {within_s:g} s"  # a TimeoutError has no text of its own
        raise ServiceError(f"the database at {address} {failing}: {reason}") from error


async def _connect(address: Address, login: Login, within_s: float) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """Connect to the database at an address, with times in UTC; libpq's own patience is for an address that does not answer."""
    patience_s = max(CONNECT_WITHIN_S, math.ceil(within_s))
    return await psycopg.AsyncConnection.connect(
        conninfo(address, login), autocommit=True, connect_timeout=patience_s, options="-c timezone=UTC"
    )


@asynccontextmanager
async def session(address: Address, login: Login, within_s: float) -> AsyncIterator[int]:
    """Yield the descriptor of a socket over which a session is logged in; raises ServiceError when it is not within `within_s` seconds."""
    async with _bounded(address, within_s, "lets nobody log in"):
        connection = await _connect(address, login, within_s)
    try:
        yield connection.fileno()
    finally:
        await connection.close()


async def fetch_row(address: Address, login: Login, query: LiteralString, values: Mapping[str, object], within_s: float) -> tuple[Any, ...]:
    """Return the first row of a query; raises ServiceError when there is none within `within_s` seconds."""
    async with _bounded(address, within_s, "does not answer"), await _connect(address, login, within_s) as connection:
        row = await (await connection.execute(query, values)).fetchone()
    if row is None:
        raise ServiceError(f"the database at {address} answers without a row")
    return row


async def fetch_all(
    address: Address, login: Login, queries: Iterable[LiteralString], within_s: float
) -> tuple[tuple[tuple[Any, ...], ...], ...]:
    """Return all rows of each query, over one connection; raises ServiceError when that is not done within `within_s` seconds."""
    async with _bounded(address, within_s, "does not answer"), await _connect(address, login, within_s) as connection:
        return tuple([tuple(await (await connection.execute(query)).fetchall()) for query in queries])


async def execute(
    address: Address, login: Login, statements: LiteralString, within_s: float, values: Mapping[str, object] | None = None
) -> None:
    """Run statements, or one with values; raises ServiceError when they are not done within `within_s` seconds."""
    async with _bounded(address, within_s, "cannot run the statements"), await _connect(address, login, within_s) as connection:
        await connection.execute(statements, values)


async def limit_connections(address: Address, administrator: Login, role: str, connections: int, within_s: float) -> None:
    """Let a role have so many connections and no more; raises ServiceError when that is not done within `within_s` seconds."""
    statement = sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(sql.Identifier(role), sql.Literal(connections))
    async with _bounded(address, within_s, "cannot limit the connections"), await _connect(address, administrator, within_s) as connection:
        await connection.execute(statement)


async def set_password(address: Address, administrator: Login, role: str, password: str, within_s: float) -> None:
    """Store a role's password with as many hashes as PostgreSQL's default; raises ServiceError when that is not done in time.

    Strange clients refuse a server that asks for fewer (RFC 7677, 4), as pg8000 does; see `roles.ITERATIONS_SINCE`.
    """
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
    async with _bounded(address, within_s, "cannot set a password"), await _connect(address, administrator, within_s) as connection:
        await connection.execute(STRANGERS_HASHES)
        await connection.execute(statement)


async def end_sessions(address: Address, administrator: Login, services: Login, within_s: float) -> EndedSessions:
    """End every session of the services' role, and wait until they are gone; raises ServiceError when that takes longer.

    One more is opened before, to be told what they are told; it does not count.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_bounded(address, within_s, "does not end the sessions"))
        witness = await _connect(address, services, within_s)
        stack.push_async_callback(witness.close)
        connection = await stack.enter_async_context(await _connect(address, administrator, within_s))
        ((pids,),) = await (await connection.execute(END_SESSIONS, {"role": services.role})).fetchall()
        while (await (await connection.execute(STILL_THERE, {"pids": pids})).fetchone()) != (0,):
            await asyncio.sleep(LOOK_EVERY_S)
        try:
            await witness.execute(ALIVE)
        except psycopg.Error as error:
            return EndedSessions(len(pids) - 1, error.sqlstate or type(error).__name__)
        return EndedSessions(len(pids), "")


@dataclass(frozen=True, slots=True)
class FlightsInPostgres:
    """The table of flights, over psycopg. `reached`: where this process reaches an address, if it is not where the services do."""

    login: Login
    reached: Callable[[Address], Address] = lambda address: address

    async def lock(self, address: Address, within_s: float) -> AsyncExitStack:
        """Lock the table in a transaction of a session of its own, which ends with what is returned."""
        async with AsyncExitStack() as stack:
            async with _bounded(address, within_s, "does not lock the table of flights"):
                connection = await _connect(self.reached(address), self.login, within_s)
                stack.push_async_callback(connection.close)  # not its own exit: that commits, and the session may have ended long before
                await connection.set_autocommit(False)
                await connection.execute(LOCK_FLIGHTS)
            return stack.pop_all()

    async def count(self, address: Address, within_s: float) -> int:
        """Count the flights; raises ServiceError when the table is locked for longer."""
        (count,) = await fetch_row(self.reached(address), self.login, COUNT_FLIGHTS, {}, within_s)
        return int(count)

    async def ping(self, address: Address, within_s: float) -> None:
        """Run a statement that needs no table."""
        await fetch_row(self.reached(address), self.login, ALIVE, {}, within_s)

    async def is_read_only(self, address: Address, within_s: float) -> bool:
        """Return whether a transaction could write nothing."""
        return (await fetch_row(self.reached(address), self.login, READ_ONLY, {}, within_s)) == ("on",)


@dataclass(slots=True)
class TableSizes:
    """Measures every table over one connection, which it reuses: on a busy machine a new one takes longer than the measurement."""

    login: Login
    _connection: psycopg.Connection[Any] | None = None
    _to: Address | None = None
    _query: sql.Composed = field(default_factory=lambda: sql.Composed([]))
    _measuring: threading.Lock = field(default_factory=threading.Lock)

    def look(self, address: Address) -> list[tuple[str, int, int]]:
        """Return name, bytes on disk (with indexes) and rows of every table; none of them when the database does not answer. It blocks."""
        with self._measuring:
            try:
                if self._connection is None or self._to != address:
                    self._connect(address)
                assert self._connection is not None
                return [(str(name), int(size), int(rows)) for name, size, rows in self._connection.execute(self._query)]
            except psycopg.Error:
                self._disconnect()
                return []

    def _connect(self, address: Address) -> None:
        self._disconnect()
        within_s = CONNECT_WITHIN_S
        connection = psycopg.connect(conninfo(address, self.login), autocommit=True, connect_timeout=within_s, options=PATIENCE)
        self._connection, self._to = connection, address
        names = [name for (name,) in connection.execute(NAMES)]
        sizes = [SIZE.format(name=sql.Literal(name), table=sql.Identifier(name)) for name in names]
        self._query = sql.SQL(" UNION ALL ").join(sizes)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def close(self) -> None:
        """Close the connection, after a measurement that is under way."""
        with self._measuring:
            self._disconnect()


async def read(address: Address, login: Login, within_s: float, names: Iterable[str] = ()) -> Tables:
    """Read the named tables, or all of them, at one moment, each row as JSON; raises ServiceError when that is not done in time."""
    async with _bounded(address, within_s, "cannot be read"), await _connect(address, login, within_s) as connection:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        wanted = tuple(names) or [name for (name,) in await (await connection.execute(NAMES)).fetchall()]
        tables = {}
        for name in wanted:
            rows = await connection.execute(sql.SQL("SELECT to_jsonb(t)::text FROM {} t").format(sql.Identifier(name)))
            tables[name] = tuple(text for (text,) in await rows.fetchall())
        return tables


def passengers(rows: Iterable[str]) -> Counter[str]:
    """Count the rows of check-ins or bookings by passenger and flight."""
    return Counter(passenger(**{name: row[name] for name in ("passenger", "date", "carrier", "flight")}) for row in map(json.loads, rows))


def passenger(passenger: str, date: str, carrier: str, flight: int) -> str:
    """Format a passenger on a flight."""
    return f"{passenger} on {carrier} {flight} of {date}"


def url(address: Address, role: str, password: str) -> str:
    """Return the URL of the database at an address, with the password; the passwords of a run have only letters and digits."""
    return f"postgresql://{role}:{password}@{address}/{DATABASE}"


def conninfo(address: Address, login: Login, libpq: int | None = None) -> str:
    """Return libpq's connection string for the database at an address; it has the path of the file with the password.

    A server that does not prove that it knows the password gets nothing of it: while no server listens, who listens in its place may ask
    for the password itself. `libpq`: the major version of the program's that will read it, psycopg's if none is given. One before 16 knows
    no such requirement, and refuses to be asked for it.
    """
    known = make_conninfo(
        host=address.host, port=address.port, dbname=DATABASE, user=login.role, connect_timeout=10, passfile=str(login.passfile)
    )
    return f"{known} require_auth={AUTHENTICATION}" if (libpq or psycopg.pq.version() // 10_000) >= PROVING_SINCE else known
