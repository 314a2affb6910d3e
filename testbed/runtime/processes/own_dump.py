"""Dumps the threads of somebody else's service as it declares, and those of the other services as always."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import DumpError
from testbed.observe.py_spy import dump_with_py_spy

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.events import ThreadGroup
    from testbed.plan.service import ServicePlan

NOT_SAID = "nobody says how its threads are dumped; a table [service.dump] would"


@dataclass(frozen=True, slots=True)
class OwnDump:
    """Dumps the threads of a service; `servers` are those that are somebody else's."""

    service: ServicePlan
    servers: tuple[str, ...]

    async def __call__(self, service: str, pid: int, file: Path) -> tuple[ThreadGroup, ...]:
        """Dump the threads of a process to a file, and return its request threads in groups; raises DumpError."""
        dump = self.service.dump
        if service in self.servers and dump is None:
            raise DumpError(f"the threads of {service} cannot be dumped: {NOT_SAID}")
        if service in self.servers and dump is not None and dump.by != "py_spy":
            raise DumpError(f"the threads of {service} cannot be dumped: by {dump.by} is not built yet")
        return await dump_with_py_spy(service, pid, file)
