"""The fake database pair."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from testbed.errors import ArrayError, FacilityError, ServiceError
from testbed.facility.address import Address
from testbed.plan.topology import HOSTS

STOP_S = 0.05  # of the database server
START_S = 0.05
FLIGHTS = 6495  # in the table of the real week


@dataclass(slots=True)
class FakeFlights:
    """The table of flights; `ineffective`: a lock on it blocks no reader."""

    locked: bool = False
    ineffective: bool = False

    async def lock(self, address: Address, within_s: float) -> AsyncExitStack:  # noqa: ARG002 - the protocol's signature
        """Lock the table until the returned stack is closed."""
        self.locked = True
        stack = AsyncExitStack()
        stack.callback(self._release)
        return stack

    def _release(self) -> None:
        self.locked = False

    async def count(self, address: Address, within_s: float) -> int:
        """Count the flights; raises ServiceError when the table is locked."""
        if self.locked and not self.ineffective:
            await asyncio.sleep(within_s)
            raise ServiceError(f"the database at {address} does not answer within {within_s:.2f} s")
        return FLIGHTS

    async def ping(self, address: Address, within_s: float) -> None:
        """Return at once, whatever is locked."""


@dataclass(slots=True)
class FakeDatabase:
    """The database pair. `starts` counts the starts of a server, to tell connections to an earlier start from current ones."""

    active: str = HOSTS[0]
    mounted: str | None = HOSTS[0]
    running: bool = True
    starts: int = 1
    broken: FacilityError | None = None  # raised by the next start of a server
    flights: FakeFlights = field(default_factory=FakeFlights)

    @property
    def standby(self) -> str:
        """The host that could take over."""
        return HOSTS[1] if self.active == HOSTS[0] else HOSTS[0]

    async def mount(self, host: str) -> None:
        """Mount the array on a host."""
        if self.mounted is not None:
            raise ArrayError(f"the array is mounted on {self.mounted}; unmount it there before it is mounted on {host}")
        self.mounted = host

    async def unmount(self, host: str) -> None:
        """Unmount the array on a host."""
        if self.mounted != host or self.running:
            raise ArrayError(f"the array cannot be unmounted on {host}: it is mounted on {self.mounted}, server running: {self.running}")
        self.mounted = None

    async def start_server(self, host: str) -> Address:
        """Start the server of a host on the array mounted there; return its own address."""
        if self.mounted != host:
            raise ArrayError(f"the array is not mounted on {host}")
        if self.broken is not None:
            raise self.broken
        await asyncio.sleep(START_S)
        self.active, self.running = host, True
        self.starts += 1
        return Address(host, 5432)

    async def stop_server(self) -> None:
        """Stop the server; its connections are dead."""
        if not self.running:
            raise FacilityError(f"no database server runs on {self.active}")
        await asyncio.sleep(STOP_S)
        self.running = False

    async def throw_away(self) -> None:
        """Stop the server at once."""
        self.running = False
