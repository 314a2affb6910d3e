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
    from testbed.runtime.toxiproxy import FaultProxyClient, ProxyRecord

NOWHERE = Address("127.0.0.1", 1)  # nothing listens at tcpmux's port: until the database is up, the virtual IP belongs to no host


@dataclass(slots=True)
class ProxiedLink:
    """A link over a proxy of a Toxiproxy server, which may serve others too; only `name` is ours.

    The virtual IP is such a link: moving the address is re-pointing the upstream (C5).
    """

    client: FaultProxyClient
    name: str
    address: Address = NOWHERE

    async def create(self, upstream: Address = NOWHERE) -> Address:
        """Make the proxy, and return the address at which its users connect."""
        proxy = await asyncio.to_thread(self.client.create, self.name, str(upstream), "127.0.0.1:0")
        self.address = Address.parse(proxy.listen)
        return self.address

    async def point(self, host: Address) -> None:
        """Point the proxy to a host; open connections over it are dropped."""
        await asyncio.to_thread(self.client.point, self.name, str(host))

    async def add_toxic(self, kind: str, attributes: Mapping[str, int], stream: Stream = "downstream") -> None:
        """Add a toxic."""
        name = str(ToxicOn(kind, stream))
        await asyncio.to_thread(self.client.add_toxic, self.name, kind, dict(attributes), stream=stream, toxic_name=name)

    async def remove_toxic(self, kind: str, stream: Stream = "downstream") -> None:
        """Remove a toxic."""
        await asyncio.to_thread(self.client.remove_toxic, self.name, str(ToxicOn(kind, stream)))

    async def toxics(self) -> tuple[str, ...]:
        """Return the names of its toxics."""
        return tuple(toxic.name for toxic in await asyncio.to_thread(self.client.toxics, self.name))

    async def enable(self) -> None:
        """Enable the proxy: it listens."""
        await asyncio.to_thread(self.client.enable, self.name)

    async def disable(self) -> None:
        """Disable the proxy: it does not listen, and drops its connections."""
        await asyncio.to_thread(self.client.disable, self.name)

    async def drop(self) -> None:
        """Disable the proxy and enable it again, in one go: whoever connects in between is refused, and a busy event loop is slow."""
        await asyncio.to_thread(self._drop)

    def _drop(self) -> None:
        self.client.disable(self.name)
        self.client.enable(self.name)

    async def proxy(self) -> ProxyRecord:
        """Return the proxy as its server reports it: whether it listens, and where it leads; raises ProxyError when it has no such one."""
        for proxy in await asyncio.to_thread(self.client.list):
            if proxy.name == self.name:
                return proxy
        raise ProxyError(f"the fault proxy has no proxy {self.name}")

    async def is_enabled(self) -> bool:
        """Whether the proxy listens."""
        return (await self.proxy()).enabled

    async def delete(self) -> None:
        """Remove the proxy; does nothing when its server is gone already."""
        try:
            await asyncio.to_thread(self.client.delete, self.name)
        except ProxyError:
            return
