"""The scales of the processes runtime: its services by their process ids, its tables over a connection of their own, its logs as files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import ServiceError
from testbed.events import Size
from testbed.observe import scales
from testbed.runtime import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from testbed.events import Process
    from testbed.runtime import Runtime
    from testbed.runtime.database import DatabasePair

TABLES_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class ProcessesScales:
    """Weighs the `services` of a runtime, the tables of a database pair, and every log in a directory."""

    every_s: float | None
    runtime: Runtime
    services: tuple[str, ...]
    pair: DatabasePair
    directory: Path

    async def look(self, now: Callable[[], tuple[float, float]]) -> Sequence[Process | Size]:
        """Look at all of it; while the database does not answer, as in a switchover, its tables are left out."""
        processes, tables_ = await asyncio.gather(self._processes(now), self._tables(now))
        return (*processes, *tables_, *self._logs(now()))

    async def _processes(self, now: Callable[[], tuple[float, float]]) -> list[Process]:
        pids = [(service, self.runtime.pid(service)) for service in self.services]
        weighed = [await asyncio.to_thread(scales.weigh, service, pid, now()) for service, pid in pids if pid is not None]
        return [one for one in weighed if one is not None]

    async def _tables(self, now: Callable[[], tuple[float, float]]) -> list[Size]:
        server = self.pair.server
        if server is None:
            return []
        try:
            measured = await tables.sizes(server.address, TABLES_WITHIN_S)
        except ServiceError:
            return []
        t_s, night_s = now()
        return [
            Size(t_s=t_s, night_s=night_s, kind="table", name=name, size_bytes=size_bytes, rows=rows) for name, size_bytes, rows in measured
        ]

    def _logs(self, at: tuple[float, float]) -> list[Size]:
        files = [path for path in sorted(self.directory.glob("*.log")) if not path.is_symlink()]  # a link leads to one of them, or nowhere
        found = [(path.stem, path.stat().st_size) for path in files]
        return [Size(t_s=at[0], night_s=at[1], kind="log", name=name, size_bytes=size_bytes) for name, size_bytes in found]
