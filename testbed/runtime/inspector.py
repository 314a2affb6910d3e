"""Inspects the processes of services: where they listen, and which locks their threads wait for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from testbed.errors import DumpError
from testbed.observe import service_locks

if TYPE_CHECKING:
    from collections.abc import Collection

    from testbed.facility.runtime import Runtime
    from testbed.journal.evidence import Listeners, ThreadLocks


class Inspector(Protocol):
    """Inspects services by what the kernel tells of their processes. `LocalInspector` does it on this machine."""

    async def listeners(self, service: str) -> Listeners:
        """Return the sockets on which a service listens, with their queues; raises TestbedError where that is not told."""

    async def thread_locks(self, service: str, seen: Collection[str]) -> ThreadLocks:
        """Return who waits for whose lock in a service; raises TestbedError. `seen`: the lines of an earlier dump, see `service_locks`."""


@dataclass(frozen=True, slots=True)
class LocalInspector:
    """Inspects the services of a runtime whose processes are this machine's own."""

    runtime: Runtime

    async def listeners(self, service: str) -> Listeners:
        """Ask the kernel."""
        return await service_locks.listeners(service, await self._pid(service))

    async def thread_locks(self, service: str, seen: Collection[str]) -> ThreadLocks:
        """Ask py-spy and the kernel; the process is paused for a moment."""
        return await service_locks.thread_locks(service, await self._pid(service), seen)

    async def _pid(self, service: str) -> int:
        pid = await self.runtime.pid(service)
        if pid is None:
            raise DumpError(f"{service} does not run")
        return pid
