"""The fake cluster manager: heartbeats come or not by what toxics are on a fake link."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.facility.cluster import WatchingCluster

if TYPE_CHECKING:
    from testbed.fakes.database import FakeDatabase
    from testbed.fakes.link import FakeLink


@dataclass(slots=True)
class FakeCluster(WatchingCluster):
    """Heartbeats over a fake link, as often as `watch` has it: none over a silent or disabled one; a latency keeps back the first."""

    database: FakeDatabase
    link: FakeLink
    _late_since_s: float | None = None

    @property
    def every_s(self) -> float:
        """As often as heartbeats come."""
        return self.watch.every_s

    async def wait_lost(self) -> str:
        """Watch the heartbeats until too many in a row were missed."""
        loop = asyncio.get_running_loop()
        self.watch.start(loop.time())
        while not self.watch.is_lost:
            await asyncio.sleep(self.watch.every_s)
            if self.moves:
                self.watch.start(loop.time())
            elif self._comes(loop.time()):
                self.watch.beat(loop.time())
            else:
                self.watch.look(loop.time())
        return self.watch.describe_loss(loop.time())

    def _comes(self, at_s: float) -> bool:
        if not self.link.latency_s:
            self._late_since_s = None
            return self.link.enabled and not any(name.startswith("silence") for name in self.link.on)
        self._late_since_s = at_s if self._late_since_s is None else self._late_since_s
        return at_s - self._late_since_s >= self.link.latency_s

    async def hand_over(self) -> None:
        """Let the active host send; its first heartbeat comes when it is due."""
        self.watch.sender = self.database.active
