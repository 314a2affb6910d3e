"""The heartbeats of a database host: those it sends, and those of the other host that it watches."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from testbed.concurrency import cancel_and_wait
from testbed.errors import FacilityError
from testbed.facility.address import Address
from testbed.runtime.cluster.beat import BeatServer
from testbed.runtime.cluster.orders import BeatOrder, Watched, WatchOrder
from testbed.runtime.cluster.subscriber import watch_until_lost


@dataclass(slots=True)
class HostHeartbeats:
    """Sends heartbeats at `listen`, and watches those of the other host, each as it was last ordered. At first it does neither."""

    name: str
    listen: Address
    server: BeatServer | None = None
    order: WatchOrder | None = None
    counting: asyncio.Task[str] | None = None
    _change: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def beat(self, order: BeatOrder) -> Address:
        """Send heartbeats as ordered, and no more as ordered before; return where. Raises FacilityError when nothing can listen there."""
        async with self._change:
            await self._stop_beating()
            server = BeatServer(order.every_s, self.listen)
            try:
                address = await server.start()
            except OSError as error:
                raise FacilityError(f"{self.name} cannot send heartbeats at {self.listen}: {error}") from error
            self.server = server
            return address

    async def watch(self, order: WatchOrder) -> None:
        """Watch a host as ordered, and no more as ordered before. Raises FacilityError for an address that is none."""
        try:
            address = Address.parse(order.address)
        except ValueError as error:
            raise FacilityError(str(error)) from error
        async with self._change:
            await self._stop_watching()
            self.order, self.counting = order, asyncio.create_task(watch_until_lost(order.watch, address))

    async def rest(self) -> None:
        """Neither send nor watch any more, and forget what was counted."""
        async with self._change:
            await self._stop_watching()
            await self._stop_beating()

    def told(self) -> Watched:
        """Return what was counted so far; raises FacilityError when this host watches none."""
        if self.order is None or self.counting is None:
            raise FacilityError(f"{self.name} watches no other host")
        return Watched(self.order.watch, self.counting.result() if self.counting.done() else "")

    async def _stop_beating(self) -> None:
        if self.server is not None:
            server, self.server = self.server, None
            await server.stop()

    async def _stop_watching(self) -> None:
        if self.counting is not None:
            counting, self.counting, self.order = self.counting, None, None
            await cancel_and_wait([counting])
