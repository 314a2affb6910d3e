"""A link that is up and down in turns (A6)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from testbed.errors import FacilityError, TestbedError
from testbed.facility.link import DATABASE, LinkName
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.facility.facility import Facility
    from testbed.replay.actions import Actions

CONNECT = ProbeSpec("connect", within_s=1.0)
UP = ProbeSpec("requests", within_s=5.0)
Period = Annotated[float, Field(ge=0.2, le=3600)]


@dataclass(frozen=True, slots=True)
class Flapping:
    """Drops every packet over the link for `down_s` real seconds, lets all of them pass for `up_s`, and so on, as `cable_pulled` does.

    Nobody is told that it is down. What is sent meanwhile is sent again, so each turn may cost more than it lasts. Healed, it stays up.
    """

    holds_answers: ClassVar[bool] = True
    no_answer: ClassVar[bool] = True

    up_s: Period = 2.0
    down_s: Period = 1.0
    link: LinkName = DATABASE

    async def inject(self, actions: Actions) -> str:
        """Take the link down and up once, and verify both; then go on by itself."""
        facility = actions.facility
        async with actions.step(1, f"take the link to {self.link} down"):
            await facility.packet_filter.pull(self.link, facility.link(self.link))
        down = await actions.require_link(2, self.link, CONNECT, "unconnected")
        async with actions.step(3, f"take the link to {self.link} up"):
            await facility.packet_filter.plug(self.link, facility.link(self.link))
        up = await actions.require_link(4, self.link, UP, "answered")
        turns = Turns(facility, self)
        facility.held[self._held] = AsyncExitStack()
        facility.held[self._held].push_async_callback(turns.stop)
        turns.start()
        return f"the link to {self.link} is down for {self.down_s:g} s and up for {self.up_s:g} s in turns: {down}; {up}"

    async def heal(self, actions: Actions) -> str:
        """End the turns, with the link up."""
        facility = actions.facility
        async with actions.step(1, f"keep the link to {self.link} up"):
            stack = facility.held.pop(self._held, None)
            try:
                if stack is not None:
                    await stack.aclose()
            finally:
                await facility.packet_filter.plug(self.link, facility.link(self.link))
        return f"the link to {self.link}: {await actions.require_healed(2, self.link)}"

    @property
    def _held(self) -> str:
        return f"flapping {self.link}"


@dataclass(slots=True)
class Turns:
    """A link that goes down and up by itself, from `start` to `stop`."""

    facility: Facility
    fault: Flapping
    count: int = 0
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with the link up."""
        self._task = asyncio.create_task(self._turn())

    async def stop(self) -> None:
        """End the turns, wherever they are; raises FacilityError when the link could not be taken down or up meanwhile."""
        self._over.set()  # it is not cancelled: a command that is under way would take effect later
        try:
            if self._task is not None:
                await self._task
        except TestbedError as error:
            raise FacilityError(f"after {self.count} turns the link to {self.fault.link} turned no more: {error}") from error

    async def _turn(self) -> None:
        packets, link = self.facility.packet_filter, self.facility.link(self.fault.link)
        while not await self._is_over(self.fault.up_s):
            self.count += 1
            await packets.pull(self.fault.link, link)
            await self._is_over(self.fault.down_s)
            await packets.plug(self.fault.link, link)

    async def _is_over(self, within_s: float) -> bool:
        """Wait for the end for so many seconds; return whether it has come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._over.wait()
        return self._over.is_set()
