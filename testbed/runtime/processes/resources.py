"""The scales of the processes runtime: its services by their process ids, its tables over a connection of their own, its logs as files."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from testbed.journal.events import ResourceUsage, Size
from testbed.observe import proc
from testbed.runtime.postgres.sql import CONNECT_WITHIN_S, NAMES, conninfo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from testbed.facility.address import Address
    from testbed.facility.runtime import Runtime
    from testbed.runtime.postgres.pair import DatabasePair

# A look must not wait for what is locked (as `slow_database` locks the flights), or for a server that is too busy to answer.
PATIENCE = "-c lock_timeout=50ms -c statement_timeout=1s"
COUNT = sql.SQL("SELECT {name}, pg_total_relation_size({name}::regclass), (SELECT count(*) FROM {table})")


@dataclass(slots=True)
class TableSizes:
    """Measures every table over one connection, which it keeps: on a busy machine a new one takes longer than the look."""

    _connection: psycopg.Connection[Any] | None = None
    _to: Address | None = None
    _query: sql.Composed = field(default_factory=lambda: sql.Composed([]))
    _looking: threading.Lock = field(default_factory=threading.Lock)

    def look(self, address: Address) -> list[tuple[str, int, int]]:
        """Give name, bytes on disk (with indexes) and rows of every table; none of them when the database does not answer."""
        with self._looking:
            try:
                if self._connection is None or self._to != address:
                    self._connect(address)
                assert self._connection is not None
                return [(str(name), int(size), int(rows)) for name, size, rows in self._connection.execute(self._query)]
            except psycopg.Error:
                self._forget()
                return []

    def _connect(self, address: Address) -> None:
        self._forget()
        within_s = CONNECT_WITHIN_S
        connection = psycopg.connect(conninfo(address), autocommit=True, connect_timeout=within_s, options=PATIENCE)
        self._connection, self._to = connection, address
        names = [name for (name,) in connection.execute(NAMES)]
        counts = [COUNT.format(name=sql.Literal(name), table=sql.Identifier(name)) for name in names]
        self._query = sql.SQL(" UNION ALL ").join(counts)

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def close(self) -> None:
        """Close the connection, after a look that is being made."""
        with self._looking:
            self._forget()


@dataclass(frozen=True, slots=True)
class ProcessResources:
    """Weighs the `services` of a runtime, the tables of a database pair, and every log in a directory."""

    every_s: float | None
    runtime: Runtime
    services: tuple[str, ...]
    pair: DatabasePair
    directory: Path
    tables: TableSizes = field(default_factory=TableSizes)

    async def look(self, now: Callable[[], tuple[float, float]]) -> Sequence[ResourceUsage | Size]:
        """Look at all of it; while the database does not answer, as in a switchover, its tables are left out.

        In threads, one for each kind, so that the event loop has to be waited for only once: it is as busy as the machine.
        """
        pids = [(service, pid) for service in self.services if (pid := await self.runtime.pid(service)) is not None]
        server, at = self.pair.server, now()
        processes, measured = await asyncio.gather(
            asyncio.to_thread(lambda: [*(proc.usage_of(service, pid, at) for service, pid in pids), *self._logs(at)]),
            asyncio.to_thread(lambda: [] if server is None else self.tables.look(server.address)),
        )
        t_s, night_s = now()
        sizes = [Size(t_s=t_s, night_s=night_s, kind="table", name=name, size_bytes=size, rows=rows) for name, size, rows in measured]
        return [*(one for one in processes if one is not None), *sizes]

    def _logs(self, at: tuple[float, float]) -> list[Size]:
        files = [path for path in sorted(self.directory.glob("*.log")) if not path.is_symlink()]  # a link leads to one of them, or nowhere
        found = [(path.stem, path.stat().st_size) for path in files]
        return [Size(t_s=at[0], night_s=at[1], kind="log", name=name, size_bytes=size_bytes) for name, size_bytes in found]

    async def close(self) -> None:
        """Close the connection to the database."""
        await asyncio.to_thread(self.tables.close)
