"""The database pair, as faults know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from testbed.facility.address import Address

if TYPE_CHECKING:
    from contextlib import AsyncExitStack


StopMode = Literal["fast", "smart", "immediate"]  # PostgreSQL's own words


@dataclass(frozen=True, slots=True)
class EndedSessions:
    """Sessions that a server ended: how many, and the SQLSTATE that one of them was told at its next statement; empty if it goes on."""

    count: int
    told: str


class FlightsTable(Protocol):
    """The table of flights, over a connection to the database at an address. Raises ServiceError when it takes longer than `within_s`."""

    async def lock(self, address: Address, within_s: float) -> AsyncExitStack:
        """Lock the table, so that every reader waits; closing the returned stack releases the lock."""

    async def count(self, address: Address, within_s: float) -> int:
        """Count the flights."""

    async def ping(self, address: Address, within_s: float) -> None:
        """Run a statement that needs no table."""

    async def is_read_only(self, address: Address, within_s: float) -> bool:
        """Whether the database at an address accepts no write."""


class Database(Protocol):
    """The database pair, as faults know it; the steps of a switchover are its methods (C4)."""

    active: str

    @property
    def flights(self) -> FlightsTable:
        """The table of flights, for faults that lock it."""

    @property
    def standby(self) -> str:
        """The host that could take over."""

    @property
    def address(self) -> Address:
        """The own address of the active host; raises FacilityError where no server runs on it."""

    async def mount(self, host: str) -> None:
        """Mount the array on a host."""

    async def unmount(self, host: str) -> None:
        """Unmount the array from a host."""

    async def start_server(self, host: str) -> Address:
        """Start the server of a host on the array mounted there; return its own address."""

    async def stop_server(self, mode: StopMode = "fast", patience_s: float = 0.0) -> str:
        """Stop the running server, and return what that had to do beside; an empty text for nothing.

        `fast` ends its sessions. `smart` lets nobody in any more, and waits until they end, `patience_s` real seconds at most; then it is
        fast. `immediate` ends at once, without a word to the disk: the next server on the array has to recover.
        """

    async def kill_server(self) -> None:
        """Kill the running server with SIGKILL, and wait until none of its processes is left."""

    @property
    def is_starting(self) -> bool:
        """Whether the server is one that `hold_start` started and `finish_start` did not let go on."""

    async def hold_start(self, host: str) -> Address:
        """Start the server of a host and hold it where it recovers: it answers each log-in that it is starting up (57P03)."""

    async def finish_start(self) -> None:
        """Let the server go on that is held where it recovers, and wait until it accepts connections."""

    async def start_standby(self) -> Address:
        """Start a server that follows the running one and accepts no writes; return its address."""

    async def stop_standby(self) -> None:
        """End that server and discard its data; does nothing where none runs."""

    async def end_sessions(self) -> EndedSessions:
        """End every session of the services' role, as an administrator does, and another that is opened to see it; raises TestbedError."""

    async def throw_away(self) -> None:
        """End the server at once and discard its data."""
