"""Some packets are lost (A5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from testbed.errors import FacilityError
from testbed.facility.link import DATABASE, LinkName
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

ASK = ProbeSpec("requests", within_s=10.0)
TRIES = 10


@dataclass(frozen=True, slots=True)
class PacketLoss:
    """Drops `percent` percent of the packets over the link, each by chance, in both directions.

    TCP sends them again: after a fifth of a second on Linux, and after a whole one where the connection is only being made, and twice as
    long each time that it is lost again. So nothing fails, and some of it is slow. The firewall's kernel drops and counts them; a proxy
    sees bytes and no packets, so processes have no such fault.
    """

    needs: ClassVar[str] = "firewall"
    holds_answers: ClassVar[bool] = True

    percent: Annotated[int, Field(ge=5, le=90)] = 20
    link: LinkName = DATABASE

    async def inject(self, actions: Actions) -> str:
        """Drop packets, and ask over the link until the kernel has counted one that it dropped."""
        packets, link = actions.facility.packet_filter, actions.facility.link(self.link)
        async with actions.step(1, f"drop {self.percent} % of the packets over the link to {self.link}"):
            await packets.lose(self.link, link, self.percent)
        async with actions.step(2, f"verify that one was dropped of those of {TRIES} connections or fewer") as details:
            tried = 0
            while not (lost := await packets.lost(self.link, link)):
                if tried == TRIES:
                    raise FacilityError(f"expected a packet of {TRIES} connections to be dropped; saw: none")
                await actions.probe(self.link, ASK)
                tried += 1
            details.append(f"{lost} packets were dropped by then, with {tried} connections")
        return f"{self.percent} % of the packets to {self.link} are dropped: {details[0]}"

    async def heal(self, actions: Actions) -> str:
        """Drop no more."""
        packets, link = actions.facility.packet_filter, actions.facility.link(self.link)
        async with actions.step(1, f"drop no more packets over the link to {self.link}") as details:
            details.append(f"{await packets.lost(self.link, link)} packets were dropped")
            await packets.lose_none(self.link, link)
        return f"the link to {self.link}: {details[0]}; {await actions.require_healed(2, self.link)}"
