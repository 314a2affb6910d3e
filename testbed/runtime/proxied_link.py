"""A link over a proxy of a Toxiproxy server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import ProxyError
from testbed.facility.address import Address
from testbed.facility.link import ToxicOn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.facility.link import Stream
    from testbed.runtime.toxiproxy import FaultProxyClient


NOWHERE = Address("127.0.0.1", 1)  # nobody listens at tcpmux's port: until the database is up, the virtual IP belongs to no host


@dataclass(slots=True)
class ProxiedLink:
    """A link over a proxy of a Toxiproxy server, which may be somebody else's and serve others too; `name` is ours alone.

    The virtual IP is one: moving the address is re-pointing its upstream (C5).
    """

    client: FaultProxyClient
    name: str
    address: Address = NOWHERE

    async def create(self, upstream: Address = NOWHERE) -> Address:
        """Make the proxy, and give the address at which those on this side of the link connect."""
        proxy = await asyncio.to_thread(self.client.create, self.name, str(upstream), "127.0.0.1:0")
        self.address = Address.parse(proxy.listen)
        return self.address

    async def point(self, host: Address) -> None:
        """Let it lead to a host; connections that go over it are dropped."""
        await asyncio.to_thread(self.client.point, self.name, str(host))

    async def add_toxic(self, kind: str, attributes: Mapping[str, int], stream: Stream = "downstream") -> None:
        """Put a toxic on it."""
        name = str(ToxicOn(kind, stream))
        await asyncio.to_thread(self.client.add_toxic, self.name, kind, dict(attributes), stream=stream, toxic_name=name)

    async def remove_toxic(self, kind: str, stream: Stream = "downstream") -> None:
        """Take a toxic from it."""
        await asyncio.to_thread(self.client.remove_toxic, self.name, str(ToxicOn(kind, stream)))

    async def toxics(self) -> tuple[str, ...]:
        """Give the names of the toxics on it."""
        return tuple(one.name for one in await asyncio.to_thread(self.client.toxics, self.name))

    async def enable(self) -> None:
        """Let the proxy listen."""
        await asyncio.to_thread(self.client.enable, self.name)

    async def disable(self) -> None:
        """Let the proxy listen no more."""
        await asyncio.to_thread(self.client.disable, self.name)

    async def is_enabled(self) -> bool:
        """Whether the proxy listens."""
        listed = await asyncio.to_thread(self.client.list)
        return any(one.enabled for one in listed if one.name == self.name)

    async def delete(self) -> None:
        """Remove the proxy; nothing happens when its server is gone already."""
        try:
            await asyncio.to_thread(self.client.delete, self.name)
        except ProxyError:
            return
