"""The fake runtime: services as objects of the event loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.errors import ServiceError
from testbed.facility.runtime import Exit, NoRuntime, ServiceSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.fakes.service import FakeService

LAST_LINES = "the fake was told to die"


@dataclass(slots=True)
class FakeRuntime(NoRuntime):
    """Services as objects. `calls` (of the do-nothing runtime) records each call and its service, in order; pause changes nothing."""

    make: Callable[[str], FakeService | None] = lambda _: None
    services: dict[str, FakeService | None] = field(default_factory=dict)
    exits: dict[str, Exit] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)
    starts: int = 0

    async def start(self, spec: ServiceSpec) -> None:
        """Start a service."""
        await NoRuntime.start(self, spec)
        self.exits.pop(spec.name, None)
        self.starts += 1
        self.pids[spec.name] = self.starts
        self.services[spec.name] = self.make(spec.name)

    async def stop(self, name: str) -> None:
        """Stop a service."""
        await NoRuntime.stop(self, name)
        self._end(name, Exit(0, ""))

    async def kill(self, name: str) -> None:
        """Stop a service."""
        await NoRuntime.kill(self, name)
        self._end(name, Exit(-9, ""))

    def die(self, name: str, code: int = 1) -> None:
        """End a service as if it had died by itself."""
        self.running.pop(name, None)
        self._end(name, Exit(code, LAST_LINES))

    def _end(self, name: str, ended: Exit) -> None:
        self.exits[name] = ended
        service = self.services[name]
        if service is not None:
            service.die()

    def service(self, name: str) -> FakeService:
        """Return a service by its name; raises ServiceError when there is none."""
        service = self.services.get(name)
        if service is None:
            raise ServiceError(f"no service {name}; there are {', '.join(sorted(self.services)) or 'none'}")
        return service

    async def pid(self, name: str) -> int | None:
        """Return a number in place of the process id, another for each start; None when the service does not run."""
        return self.pids[name] if name in self.running else None

    async def exit(self, name: str) -> Exit | None:
        """Return how the service ended; None while it runs."""
        return self.exits.get(name)
