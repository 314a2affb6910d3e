"""The database pair, as faults know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from testbed.facility.address import Address

if TYPE_CHECKING:
    from contextlib import AsyncExitStack


class FlightsTable(Protocol):
    """The table of flights, over a connection to the database at an address. Raises ServiceError when it takes longer than `within_s`."""

    async def lock(self, address: Address, within_s: float) -> AsyncExitStack:
        """Lock the table, so that every reader waits; closing the returned stack releases the lock."""

    async def count(self, address: Address, within_s: float) -> int:
        """Count the flights."""

    async def ping(self, address: Address, within_s: float) -> None:
        """Run a statement that needs no table."""


class Database(Protocol):
    """The database pair, as faults know it; the steps of a switchover are its methods (C4)."""

    active: str

    @property
    def flights(self) -> FlightsTable:
        """The table of flights, for faults that lock it."""

    @property
    def standby(self) -> str:
        """The host that could take over."""

    async def mount(self, host: str) -> None:
        """Mount the array on a host."""

    async def unmount(self, host: str) -> None:
        """Unmount the array from a host."""

    async def start_server(self, host: str) -> Address:
        """Start the server of a host on the array mounted there; return its own address."""

    async def stop_server(self) -> None:
        """Stop the running server in an orderly way."""

    async def throw_away(self) -> None:
        """End the server at once and discard its data."""
