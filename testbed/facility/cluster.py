"""The cluster manager of the database pair, as the replay knows it, and its do-nothing twin."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from testbed.errors import FacilityError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from testbed.facility.heartbeat_watch import HeartbeatWatch
    from testbed.journal.events import HeartbeatCount, Now
    from testbed.journal.evidence import Heartbeats


class ClusterManager(Protocol):
    """Watches the active database host by its heartbeats, and finds when the standby has to take over (C1, P2)."""

    @property
    def is_on(self) -> bool:
        """Whether the hosts exchange heartbeats at all."""

    @property
    def every_s(self) -> float | None:
        """The interval between counts in the journal, in real seconds; None: never."""

    async def wait_lost(self) -> str:
        """Watch until the standby has missed too many heartbeats in a row; return a line that says how many, of what and over what."""

    def moving(self) -> AbstractAsyncContextManager[None]:
        """Count no heartbeat as missed while the block moves the database; afterwards the host that is active then sends them."""

    async def look(self, now: Now) -> Sequence[HeartbeatCount]:
        """Count what has come and what was missed so far."""

    async def heartbeats(self) -> Heartbeats:
        """Return how the hosts watch each other, and what was counted so far, as evidence; raises FacilityError when they do not."""


@dataclass(slots=True)
class WatchingCluster(ClusterManager):
    """A cluster manager whose hosts exchange heartbeats, however these go; `watch` counts them."""

    watch: HeartbeatWatch
    moves: int = field(default=0, init=False)

    @property
    def is_on(self) -> bool:
        """Always."""
        return True

    @abstractmethod
    async def hand_over(self) -> None:
        """Let the active host send from now on, and watch it anew."""

    async def pause(self) -> None:
        """Count nothing from now on, because the database is about to move; where `moves` is looked at, that is enough."""

    @asynccontextmanager
    async def moving(self) -> AsyncIterator[None]:
        """Pause the watching, as a cluster in maintenance does; afterwards the active host sends, unless the other was lost."""
        was_lost = self.watch.is_lost
        self.moves += 1
        try:
            await self.pause()
            yield
        finally:
            self.moves -= 1
            if not was_lost:
                await self.hand_over()

    async def look(self, now: Now) -> Sequence[HeartbeatCount]:
        """Return what was counted so far."""
        return [self.watch.count(now)]

    async def heartbeats(self) -> Heartbeats:
        """Return how the hosts watch each other, and what was counted so far."""
        return self.watch.evidence()


@dataclass(frozen=True, slots=True)
class NoCluster:
    """The do-nothing twin: the hosts do not watch each other, and only an operator moves the database."""

    is_on: bool = False
    every_s: float | None = None

    async def wait_lost(self) -> str:
        """Raise FacilityError: it would never return."""
        raise FacilityError("the database hosts exchange no heartbeats here, so that none can be missed")

    def moving(self) -> AbstractAsyncContextManager[None]:
        """Return a block in which nothing is different."""
        return nullcontext()

    async def look(self, now: Now) -> Sequence[HeartbeatCount]:  # noqa: ARG002 - the protocol's signature
        """Return nothing."""
        return ()

    async def heartbeats(self) -> Heartbeats:
        """Raise FacilityError: there are none."""
        raise FacilityError("the database hosts exchange no heartbeats here")
