"""The rows of a database, over a connection of one's own: to count in them, to compare one database with another, and to clear them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg import sql

from testbed.errors import ServiceError
from testbed.runtime.postgres import programs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from testbed.facility.address import Address


DATABASE = "postgres"  # the one that initdb makes; a database of its own would be one more thing to create


CONNECT_WITHIN_S = 2  # the least that libpq takes


NAMES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"


LOCK_FLIGHTS: LiteralString = "LOCK TABLE flights IN ACCESS EXCLUSIVE MODE"


COUNT_FLIGHTS: LiteralString = "SELECT count(*) FROM flights"


ALIVE: LiteralString = "SELECT 1"


Tables = dict[str, tuple[str, ...]]
# Who asks in vain gets an error. psycopg has a warning besides, of a query that could not be cancelled, which would go to the terminal.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


async def connect(address: Address) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """Connect to whatever is at an address; times come in UTC, whoever asks."""
    return await psycopg.AsyncConnection.connect(
        conninfo(address), autocommit=True, connect_timeout=CONNECT_WITHIN_S, options="-c timezone=UTC"
    )


async def ask(address: Address, query: LiteralString, values: Mapping[str, object], within_s: float) -> tuple[Any, ...]:
    """Ask the database at an address for one row; raises ServiceError when it does not give it in time."""
    try:
        async with asyncio.timeout(within_s), await connect(address) as connection:
            row = await (await connection.execute(query, values)).fetchone()
    except (psycopg.Error, TimeoutError) as error:
        raise ServiceError(f"the database at {address} does not answer: {error or 'too late'}") from error
    if row is None:
        raise ServiceError(f"the database at {address} answers without a row")
    return row


async def do(address: Address, statements: LiteralString, within_s: float) -> None:
    """Carry out some statements at the database at an address; raises ServiceError when that is not done in time."""
    try:
        async with asyncio.timeout(within_s), await connect(address) as connection:
            await connection.execute(statements)
    except (psycopg.Error, TimeoutError) as error:
        raise ServiceError(f"the database at {address} does not do what it is told: {error or f'not within {within_s:.0f} s'}") from error


async def hold(address: Address, lock: LiteralString, within_s: float) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """Take a lock, in a transaction of a connection that is given: closing it lets go. Raises ServiceError when it is not had in time."""
    try:
        async with asyncio.timeout(within_s):
            connection = await connect(address)
            await connection.set_autocommit(False)
            await connection.execute(lock)
    except (psycopg.Error, TimeoutError) as error:
        raise ServiceError(f"the database at {address} does not give the lock: {error or f'not within {within_s:.0f} s'}") from error
    return connection


@dataclass(frozen=True, slots=True)
class FlightsInPostgres:
    """The table of flights, over psycopg."""

    async def lock(self, address: Address, within_s: float) -> AsyncExitStack:
        """Lock the table in a session of its own, which ends with what is returned."""
        stack = AsyncExitStack()
        await stack.enter_async_context(await hold(address, LOCK_FLIGHTS, within_s))
        return stack

    async def count(self, address: Address, within_s: float) -> int:
        """Count the flights; raises ServiceError when the table is locked for longer."""
        (count,) = await ask(address, COUNT_FLIGHTS, {}, within_s)
        return int(count)

    async def ping(self, address: Address, within_s: float) -> None:
        """Run a statement that needs no table."""
        await ask(address, ALIVE, {}, within_s)


async def read(address: Address, within_s: float, names: Iterable[str] = ()) -> Tables:
    """Read the named tables, or all of them, at one moment, each row as JSON; raises ServiceError when that is not done in time."""
    try:
        async with asyncio.timeout(within_s), await connect(address) as connection:
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            wanted = tuple(names) or [name for (name,) in await (await connection.execute(NAMES)).fetchall()]
            tables = {}
            for name in wanted:
                rows = await connection.execute(sql.SQL("SELECT to_jsonb(t)::text FROM {} t").format(sql.Identifier(name)))
                tables[name] = tuple(text for (text,) in await rows.fetchall())
            return tables
    except (psycopg.Error, TimeoutError) as error:
        raise ServiceError(f"the database at {address} cannot be read: {error or f'not within {within_s:.0f} s'}") from error


def passengers(rows: Iterable[str]) -> Counter[str]:
    """Count the rows of check-ins or bookings by passenger and flight."""
    return Counter(passenger(**{name: row[name] for name in ("passenger", "date", "carrier", "flight")}) for row in map(json.loads, rows))


def passenger(passenger: str, date: str, carrier: str, flight: int) -> str:
    """Name a passenger on a flight."""
    return f"{passenger} on {carrier} {flight} of {date}"


def conninfo(address: Address) -> str:
    """Give libpq's connection string for the database at an address."""
    return f"host={address.host} port={address.port} dbname={DATABASE} user={programs.USER} connect_timeout=10"
