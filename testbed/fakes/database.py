"""The fake database pair."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.errors import ArrayError, FacilityError, ServiceError
from testbed.facility.address import Address
from testbed.facility.database import EndedSessions
from testbed.plan.topology import HOSTS

if TYPE_CHECKING:
    from testbed.facility.database import StopMode

STOP_S = 0.05  # of the database server
START_S = 0.05
FLIGHTS = 6495  # in the table of the real week


@dataclass(slots=True)
class FakeFlights:
    """The table of flights; `ineffective`: a lock on it blocks no reader. `starting`: its server lets nobody in yet."""

    locked: bool = False
    starting: bool = False
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
        """Count the flights; raises ServiceError when the table is locked, or the server is starting up."""
        self._require_started(address)
        if self.locked and not self.ineffective:
            await asyncio.sleep(within_s)
            raise ServiceError(f"the database at {address} does not answer within {within_s:.2f} s")
        return FLIGHTS

    async def ping(self, address: Address, within_s: float) -> None:  # noqa: ARG002 - the protocol's signature
        """Return at once, whatever is locked; raises ServiceError while the server is starting up."""
        self._require_started(address)

    async def is_read_only(self, address: Address, within_s: float) -> bool:  # noqa: ARG002 - the protocol's signature
        """Return False: there is no standby."""
        return False

    def _require_started(self, address: Address) -> None:
        if self.starting and not self.ineffective:
            raise ServiceError(f"the database at {address} does not answer: FATAL:  the database system is starting up")


@dataclass(slots=True)
class FakeDatabase:
    """The database pair. `starts` counts the starts of a server, and `endings` how often it ended every session.

    `sessions`: how many it says that it ended; `ineffective`: they go on.
    """

    active: str = HOSTS[0]
    mounted: str | None = HOSTS[0]
    running: bool = True
    starts: int = 1
    endings: int = 0
    sessions: int = 20
    ineffective: bool = False
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
        return self.address

    @property
    def address(self) -> Address:
        """The own address of the active host."""
        return Address(self.active, 5432)

    @property
    def is_starting(self) -> bool:
        """Whether the server is held where it recovers: it reaches nobody, and nobody reaches it."""
        return self.flights.starting

    async def stop_server(self, mode: StopMode = "fast", patience_s: float = 0.0) -> str:
        """Stop the server; its connections are dead. In mode `smart` they end none too soon: a pool's never end by themselves."""
        if not self.running and not self.flights.starting:
            raise FacilityError(f"no database server runs on {self.active}")
        await asyncio.sleep(STOP_S + (patience_s if mode == "smart" else 0.0))
        self.running = self.flights.starting = False
        return f"its sessions had not ended after {patience_s:g} s, and were ended" if mode == "smart" else ""

    async def kill_server(self) -> None:
        """Kill the server; its connections are dead."""
        await self.stop_server("immediate")

    async def hold_start(self, host: str) -> Address:
        """Start the server of a host and hold it where it recovers."""
        address = await self.start_server(host)
        self.running, self.flights.starting = False, True
        return address

    async def finish_start(self) -> None:
        """Let the server go on that is held."""
        if not self.flights.starting:
            raise FacilityError(f"no database server is starting up on {self.active}")
        self.running, self.flights.starting = True, False

    async def start_standby(self) -> Address:
        """Raise FacilityError: the model has none."""
        raise FacilityError("the fake database has no standby")

    async def stop_standby(self) -> None:
        """Do nothing: there is none."""

    @property
    def epoch(self) -> int:
        """A number that is another one for connections that have died."""
        return self.starts + self.endings

    async def end_sessions(self) -> EndedSessions:
        """End every session: connections made before are dead."""
        if not self.running:
            raise FacilityError(f"no database server runs on {self.active}")
        self.endings += not self.ineffective
        return EndedSessions(self.sessions, "" if self.ineffective else "57P01")

    async def throw_away(self) -> None:
        """Stop the server at once."""
        self.running = False
