"""Resource usage on the processes runtime: services by process id, tables over a connection of their own, logs as files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.events import ResourceUsage, Size
from testbed.observe import resource_usage
from testbed.runtime.postgres.sql import TableSizes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from testbed.facility.runtime import Runtime
    from testbed.runtime.postgres.pair import DatabasePair


@dataclass(frozen=True, slots=True)
class ProcessResources:
    """Measures the `services` of a runtime, the tables of a database pair, and every log in a directory."""

    every_s: float | None
    runtime: Runtime
    services: tuple[str, ...]
    pair: DatabasePair
    directory: Path
    tables: TableSizes

    async def look(self, now: Callable[[], tuple[float, float]]) -> Sequence[ResourceUsage | Size]:
        """Measure all of it; while the database does not answer, as in a switchover, its tables are left out.

        In two threads, so that the event loop, which is as busy as the machine, has to be waited for only once.
        """
        pids = [(service, pid) for service in self.services if (pid := await self.runtime.pid(service)) is not None]
        server, at = self.pair.server, now()
        processes, measured = await asyncio.gather(
            asyncio.to_thread(lambda: [*(resource_usage.usage_of(service, pid, at) for service, pid in pids), *self._logs(at)]),
            asyncio.to_thread(lambda: [] if server is None else self.tables.look(server.address)),
        )
        t_s, night_s = now()
        sizes = [Size(t_s=t_s, night_s=night_s, kind="table", name=name, size_bytes=size, rows=rows) for name, size, rows in measured]
        return [*(usage for usage in processes if usage is not None), *sizes]

    def _logs(self, at: tuple[float, float]) -> list[Size]:
        files = [path for path in sorted(self.directory.glob("*.log")) if not path.is_symlink()]  # a link leads to one of them, or nowhere
        found = [(path.stem, path.stat().st_size) for path in files]
        return [Size(t_s=at[0], night_s=at[1], kind="log", name=name, size_bytes=size_bytes) for name, size_bytes in found]

    async def close(self) -> None:
        """Close the connection to the database."""
        await asyncio.to_thread(self.tables.close)
