"""The cluster manager in containers: the active database host sends heartbeats, and the one that stands by watches them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.facility.cluster import WatchingCluster
from testbed.runtime.cluster.orders import BeatOrder, WatchOrder
from testbed.runtime.containers.services import heartbeats_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.events import HeartbeatCount, Now
    from testbed.journal.evidence import Heartbeats
    from testbed.runtime.containers.database import DatabaseHosts

COUNTS_EVERY_S = 1.0
ASKED_EVERY_S = 0.2


@dataclass(slots=True)
class ContainerCluster(WatchingCluster):
    """The manager of a pair of hosts that watch each other over a network of theirs; it asks the watching one over its control.

    `watch` is what that host last told. `orders`: how often one was told to watch, or to rest; what comes of an earlier order is void.
    """

    hosts: DatabaseHosts
    is_watching: bool = False
    orders: int = 0

    @property
    def every_s(self) -> float:
        """Once a second."""
        return COUNTS_EVERY_S

    async def wait_lost(self) -> str:
        """Let the active host send and the other one watch, and ask that one until it would take over; see `ClusterManager`."""
        self.watch = replace(self.watch, in_row=0)
        while True:
            if not self.moves:
                if not self.is_watching:
                    await self.hand_over()
                if loss := await self._ask():
                    return loss
            await asyncio.sleep(ASKED_EVERY_S)

    async def pause(self) -> None:
        """Keep what was counted, and let the host that counted rest: what it would miss now is no sign of anything.

        The sender is not told: it may be the one that is lost, and nobody takes its heartbeats any more.
        """
        if self.is_watching:
            await self._ask()
            self.is_watching = False
            self.orders += 1
            await self.hosts.rest(self.watch.watcher)

    async def hand_over(self) -> None:
        """Let the active host send and the standing-by one watch, and count on from what was counted before."""
        self.orders += 1
        self.watch = replace(self.watch, sender=self.hosts.active, in_row=0)
        await self.hosts.beat(self.watch.sender, BeatOrder(self.watch.every_s))
        order = WatchOrder(heartbeats_of(self.watch.sender, self.watch.link), self.watch)
        await self.hosts.watch(self.watch.watcher, order)
        self.is_watching = True

    async def look(self, now: Now) -> Sequence[HeartbeatCount]:
        """Ask what was counted so far."""
        await self._ask()
        return [self.watch.count(now)]

    async def heartbeats(self) -> Heartbeats:
        """Ask how the hosts watch each other, and what was counted so far."""
        await self._ask()
        return self.watch.evidence()

    async def _ask(self) -> str:
        """Ask the host that watches what it has counted, if one watches; return why it would take over, or an empty text."""
        if not self.is_watching:
            return ""
        asked = self.orders
        try:
            told = await self.hosts.watched(self.watch.watcher)
        except FacilityError:
            if asked == self.orders:
                raise
            return ""
        if asked != self.orders:
            return ""
        self.watch = told.watch
        return told.loss
