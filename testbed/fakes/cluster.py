"""The fake cluster manager: heartbeats come or not by what toxics are on a fake link."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.facility.cluster import ClusterManager

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from testbed.facility.heartbeat_watch import HeartbeatWatch
    from testbed.fakes.database import FakeDatabase
    from testbed.fakes.link import FakeLink
    from testbed.journal.events import HeartbeatCount, Now
    from testbed.journal.evidence import Heartbeats


@dataclass(slots=True)
class FakeCluster(ClusterManager):
    """Heartbeats over a fake link, as often as `watch` has it: none over a silent or disabled one; a latency keeps back the first."""

    database: FakeDatabase
    link: FakeLink
    watch: HeartbeatWatch
    _moving: int = 0
    _late_since_s: float | None = None

    @property
    def is_on(self) -> bool:
        """Always."""
        return True

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
            if self._moving:
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

    @asynccontextmanager
    async def moving(self) -> AsyncIterator[None]:
        """Pause the watching; afterwards the active host sends, unless the other was lost."""
        was_lost = self.watch.is_lost
        self._moving += 1
        try:
            yield
        finally:
            self._moving -= 1
            if not was_lost:
                self.watch.sender = self.database.active

    async def look(self, now: Now) -> Sequence[HeartbeatCount]:
        """Return what was counted so far."""
        return [self.watch.count(now)]

    async def heartbeats(self) -> Heartbeats:
        """Return how the hosts watch each other, and what was counted so far."""
        return self.watch.evidence()
