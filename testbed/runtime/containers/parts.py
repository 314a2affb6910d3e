"""Which containers beside the services ended by themselves, and whether the database server in one of them did."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.journal.events import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.events import Now
    from testbed.runtime.containers.database import DatabaseHosts
    from testbed.runtime.containers.runtime import Containers

EVERY_S = 5.0  # each look asks the database host over HTTP, and one more is made when the night is over


@dataclass(slots=True)
class ContainerParts:
    """Watches the containers of `names`, which no fault and no operation ends, and the server of the active database host."""

    runtime: Containers
    hosts: DatabaseHosts
    names: tuple[str, ...]
    every_s: float | None = EVERY_S
    _told: set[str] = field(default_factory=set)

    async def look(self, now: Now) -> Sequence[Part]:
        """Return those that ended; nothing of a database host that does not say so just now."""
        found = {}
        for name in self.names:
            ended = await self.runtime.exit(name)
            if ended is not None:
                found[name] = f"exit code {ended.code}\n{ended.last_lines}"
        server = await asyncio.to_thread(self.hosts.died)
        if server:
            found.setdefault(self.hosts.active, server)
        t_s, night_s = now()
        new = [name for name in found if name not in self._told]
        self._told.update(new)
        return [Part(t_s=t_s, night_s=night_s, part=name, state="died", detail=found[name]) for name in new]
