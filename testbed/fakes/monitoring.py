"""The fake monitoring and the fake log disks."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from testbed.facility.address import Address
from testbed.fakes.runtime import FakeRuntime
from testbed.journal.events import Sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

READ_S = 0.002  # how long a read of a service's monitoring takes


@dataclass(slots=True)
class FakeLogDisks:
    """Records whose log disk is full; `ineffective`: every line is written all the same."""

    filled: set[str] = field(default_factory=set)
    ineffective: bool = False

    async def fill(self, server: str) -> None:
        """Record it as full."""
        self.filled.add(server)

    async def free(self, server: str) -> None:
        """Record it as free."""
        self.filled.discard(server)

    async def log_line_error(self, server: str, address: Address) -> str:  # noqa: ARG002 - the protocol's signature
        """Return the text of ENOSPC for a full disk, otherwise `""`."""
        return os.strerror(errno.ENOSPC) if server in self.filled and not self.ineffective else ""

    def full(self) -> tuple[str, ...]:
        """Return the servers whose log disk is full."""
        return tuple(sorted(self.filled))


@dataclass(slots=True)
class FakeMonitoring:
    """Samples fake services; an async context manager, as the real one is. `untold`: those of which it is told nothing."""

    runtime: FakeRuntime
    untold: tuple[str, ...] = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return

    async def read(self, service: str, address: Address, now: Callable[[], tuple[float, float]]) -> Sample:  # noqa: ARG002 - the protocol's
        """Sample a service."""
        await asyncio.sleep(READ_S)
        if service in self.untold:
            t_s, night_s = now()
            return Sample(t_s=t_s, night_s=night_s, service=service, health=None, health_s=0.0, error="it tells no numbers")
        return self.runtime.service(service).sample(*now())

    async def health(self, service: str, address: Address) -> str:  # noqa: ARG002 - the protocol's signature
        """Wait until a service is ready, and return its health; the caller has the bound."""
        await self.runtime.service(service).ready.wait()
        return "200" if self.runtime.service(service).alive else "no answer"
