"""Dumps the threads of somebody else's service as it declares, and those of the other services as always."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.foreign.dumps import ForeignDumper
from testbed.observe.py_spy import dump_with_py_spy

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.events import ThreadGroup
    from testbed.plan.service import ServicePlan


@dataclass(frozen=True, slots=True)
class OwnDump:
    """Dumps the threads of a service; `servers` are those that are somebody else's, each with its log in `directory`."""

    service: ServicePlan
    servers: tuple[str, ...]
    directory: Path

    async def __call__(self, service: str, pid: int, file: Path) -> tuple[ThreadGroup, ...]:
        """Dump the threads of a process to a file, and return its request threads in groups; raises DumpError."""
        if service not in self.servers:
            return await dump_with_py_spy(service, pid, file)
        return await ForeignDumper(self.service, self._log_of)(service, pid, file)

    def _log_of(self, service: str) -> Path:
        return self.directory / f"{service}.log"
