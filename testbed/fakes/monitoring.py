"""The fake monitoring and the fake disks of logs."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from testbed.facility.address import Address
from testbed.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from testbed.journal.events import Sample


LOOK_S = 0.002  # what monitoring takes to answer


@dataclass(slots=True)
class FakeLogDisks:
    """Notes whose disk is full; `blunt`: every line is written all the same."""

    filled: set[str] = field(default_factory=set)
    ineffective: bool = False

    async def fill(self, server: str) -> None:
        """Note it."""
        self.filled.add(server)

    async def free(self, server: str) -> None:
        """Note it no more."""
        self.filled.discard(server)

    async def log_line_error(self, server: str, address: Address) -> str:  # noqa: ARG002 - the protocol's signature
        """Tell by what was noted."""
        return os.strerror(errno.ENOSPC) if server in self.filled and not self.ineffective else ""

    def full(self) -> tuple[str, ...]:
        """Give those that were noted."""
        return tuple(sorted(self.filled))


@dataclass(slots=True)
class FakeMonitoring:
    """Looks at fake services; an async context manager, as the real one is."""

    runtime: FakeRuntime

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return

    async def read(self, service: str, address: Address, now: Callable[[], tuple[float, float]]) -> Sample:  # noqa: ARG002 - the protocol's
        """Look at a service."""
        await asyncio.sleep(LOOK_S)
        return self.runtime.service(service).sample(*now())

    async def health(self, service: str, address: Address) -> str:  # noqa: ARG002 - the protocol's signature
        """Give a service's health when it is ready."""
        await self.runtime.service(service).ready.wait()
        return "200" if self.runtime.service(service).alive else "no answer"
