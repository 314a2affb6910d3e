"""A cable is pulled: no packet gets through, and nobody is told (W4, A6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from testbed.errors import FacilityError
from testbed.facility.link import DATABASE, LinkName
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

CONNECT = ProbeSpec("connect", within_s=1.5)
# Its second request is sent so long after the first: by then the cable has been pulled, also where a command in a container does it.
OPEN = ProbeSpec("requests", within_s=1.0, idle_s=3.0)


@dataclass(frozen=True, slots=True)
class CablePulled:
    """Drops every packet over the link, of open connections and of attempts to connect, in both directions.

    Nobody is told: what is sent is sent again, ever more seldom, until a time-out of somebody's ends it; faults/README.md has which, and
    after how long. Healed, whoever has not given up goes on with the next packet that is sent again. On containers the firewall does it.
    On processes the link's proxy holds what is sent and accepts nobody; the kernels of both ends have it for a peer that is alive, so only
    a time-out of the programs' own ends the waiting.
    """

    holds_answers: ClassVar[bool] = True
    no_answer: ClassVar[bool] = True

    link: LinkName = DATABASE

    async def inject(self, actions: Actions) -> str:
        """Open a connection and pull the cable; verify that it gets no answer any more, and that a new one is not established."""
        facility = actions.facility
        probe = facility.probe(self.link, OPEN)
        try:
            async with actions.step(1, f"open a connection over the link to {self.link}"):
                await probe.wait_held()
            async with actions.step(2, f"pull the cable to {self.link}"):
                await facility.packet_filter.pull(self.link, facility.link(self.link))
            async with actions.step(3, "verify that the open connection is silent") as details:
                opened = await probe.wait_result()
                if opened.ended != "silent":
                    raise FacilityError(f"expected an open connection over the link to {self.link} to be silent; saw: {opened}")
                details.append(str(opened))
        finally:
            await probe.end()
        new = await actions.require_link(4, self.link, CONNECT, "unconnected")
        return f"the cable to {self.link} is pulled: {opened}; a new connection: {new}"

    async def heal(self, actions: Actions) -> str:
        """Plug the cable in again."""
        async with actions.step(1, f"plug in the cable to {self.link}"):
            await actions.facility.packet_filter.plug(self.link, actions.facility.link(self.link))
        return f"the link to {self.link}: {await actions.require_healed(2, self.link)}"
