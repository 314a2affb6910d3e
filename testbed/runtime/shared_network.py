"""A network that two links go over: what a fault does to it, it does to both (P2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.facility.link import Link

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.facility.address import Address
    from testbed.facility.link import Stream


@dataclass(frozen=True, slots=True)
class SharedNetwork(Link):
    """The network of `first`, whose address and name it has, and of `second`, which shares its fate: toxics, and whether it is there."""

    first: Link
    second: Link

    @property
    def address(self) -> Address:
        """The address of the first link."""
        return self.first.address

    async def point(self, host: Address) -> None:
        """Point the first link to a host: an address moves, and the network stays."""
        await self.first.point(host)

    async def add_toxic(self, kind: str, attributes: Mapping[str, int], stream: Stream = "downstream") -> None:
        """Add a toxic to both."""
        for link in (self.first, self.second):
            await link.add_toxic(kind, attributes, stream)

    async def remove_toxic(self, kind: str, stream: Stream = "downstream") -> None:
        """Remove a toxic from both."""
        for link in (self.first, self.second):
            await link.remove_toxic(kind, stream)

    async def toxics(self) -> tuple[str, ...]:
        """Return the names of the toxics on the first; the second has the same."""
        return await self.first.toxics()

    async def enable(self) -> None:
        """Enable both."""
        for link in (self.first, self.second):
            await link.enable()

    async def disable(self) -> None:
        """Disable both."""
        for link in (self.first, self.second):
            await link.disable()

    async def drop(self) -> None:
        """Drop every connection over both."""
        for link in (self.first, self.second):
            await link.drop()

    async def is_enabled(self) -> bool:
        """Whether both listen."""
        return await self.first.is_enabled() and await self.second.is_enabled()
