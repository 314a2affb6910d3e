"""The cluster manager: which host sends heartbeats, over which link, and when the other has lost it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.facility.cluster import WatchingCluster
from testbed.plan.topology import HOSTS
from testbed.runtime.cluster.beat import BeatServer
from testbed.runtime.cluster.subscriber import watch_until_lost

if TYPE_CHECKING:
    from testbed.facility.address import Address
    from testbed.facility.database import Database
    from testbed.runtime.proxied_link import ProxiedLink

COUNTS_EVERY_S = 1.0


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
        return await watch_until_lost(self.watch, self.link.address, lambda: self.moves > 0)

    async def hand_over(self) -> None:
        """Point the link to the active host, and watch it anew."""
        if self.database.active != self.watch.sender:
            self.watch.sender = self.database.active
            await self.link.point(self._addresses[self.watch.sender])
        self.watch.start(asyncio.get_running_loop().time())
