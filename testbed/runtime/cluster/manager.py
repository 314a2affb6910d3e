"""The cluster manager: which host sends heartbeats, over which link, and when the other has lost it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from testbed.concurrency import cancel_and_wait
from testbed.facility.cluster import WatchingCluster
from testbed.plan.topology import HOSTS
from testbed.runtime.cluster.beat import BEAT, SUBSCRIBE, BeatServer

if TYPE_CHECKING:
    from testbed.facility.address import Address
    from testbed.facility.database import Database
    from testbed.facility.heartbeat_watch import HeartbeatWatch
    from testbed.runtime.proxied_link import ProxiedLink

COUNTS_EVERY_S = 1.0
CONNECT_AGAIN_S = 0.1


@dataclass(slots=True)
class Cluster(WatchingCluster):
    """The manager of a pair of database hosts; the heartbeats go through the proxy of `link`. It tells of a loss, and moves nothing."""

    database: Database
    link: ProxiedLink
    _servers: dict[str, BeatServer] = field(default_factory=dict)
    _addresses: dict[str, Address] = field(default_factory=dict)

    @property
    def every_s(self) -> float:
        """Once a second."""
        return COUNTS_EVERY_S

    async def start(self) -> None:
        """Let each host listen for who wants its heartbeats, and the link lead to the active one."""
        for host in HOSTS:
            self._servers[host] = BeatServer(self.watch.every_s)
            self._addresses[host] = await self._servers[host].start()
        await self.link.create(self._addresses[self.watch.sender])

    async def stop(self) -> None:
        """End every connection; the link is whose it was."""
        for server in self._servers.values():
            await server.stop()

    async def wait_lost(self) -> str:
        """Watch the heartbeats until too many in a row were missed; see `ClusterManager`."""
        loop = asyncio.get_running_loop()
        self.watch.start(loop.time())
        listening = asyncio.create_task(self._listen())
        try:
            while not self.watch.is_lost:
                await asyncio.sleep(self.watch.due_s - loop.time())
                if self.moves:
                    self.watch.start(loop.time())
                else:
                    self.watch.look(loop.time())
        finally:
            await cancel_and_wait([listening])
        return self.watch.describe_loss(loop.time())

    async def _listen(self) -> None:
        """Subscribe to the heartbeats, and again whenever the connection ends."""
        loop = asyncio.get_running_loop()
        while True:
            ended = loop.create_future()
            address = self.link.address
            try:
                async with asyncio.timeout(max(self.watch.every_s, CONNECT_AGAIN_S)):
                    subscriber = partial(_Subscriber, self.watch, ended)
                    transport, _ = await loop.create_connection(subscriber, address.host, address.port)
            except OSError:  # TimeoutError is one
                await asyncio.sleep(CONNECT_AGAIN_S)
                continue
            try:
                await ended
            finally:
                transport.abort()
            await asyncio.sleep(CONNECT_AGAIN_S)

    async def hand_over(self) -> None:
        """Point the link to the active host, and watch it anew."""
        if self.database.active != self.watch.sender:
            self.watch.sender = self.database.active
            await self.link.point(self._addresses[self.watch.sender])
        self.watch.start(asyncio.get_running_loop().time())


class _Subscriber(asyncio.Protocol):
    """Counts heartbeats as they come. A protocol and no stream: what has come is counted before a look that is due at the same time."""

    def __init__(self, watch: HeartbeatWatch, ended: asyncio.Future[None]) -> None:
        self._watch = watch
        self._ended = ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(SUBSCRIBE)

    def data_received(self, data: bytes) -> None:
        at_s = asyncio.get_running_loop().time()
        for _ in range(data.count(BEAT[-1:])):
            self._watch.beat(at_s)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        if not self._ended.done():
            self._ended.set_result(None)
