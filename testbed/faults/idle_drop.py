"""A firewall forgets a connection that was idle for too long, and tells neither side (A7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from testbed.errors import FacilityError
from testbed.facility.link import DATABASE, LinkName
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

IDLE_MARGIN = 1.2  # times the limit: how long a probe idles, to be forgotten
WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class IdleDrop:
    """Forgets each connection over the link that was idle for `idle_s` real seconds: what is sent over it then is dropped.

    Packets are dropped both ways and in silence, and the connection stays open on both sides: a read waits for ever. On containers the
    firewall's connection table does it (`nf_conntrack_tcp_timeout_established`, in whole seconds, rounded up), on the link to the database.
    On processes it is the fault proxy's own toxic of the same name, a true idle timer on any link; it cannot show what TCP keep-alive
    would do, because a proxy does not see its packets. Where the database sends keep-alives through the firewall (A8), a connection is
    never idle, and only the kernel's table shows that the limit holds. A connection that was forgotten stays so when this is healed.
    """

    holds_answers: ClassVar[bool] = True

    idle_s: Annotated[float, Field(ge=0.05, le=3600)] = 1.0
    link: LinkName = DATABASE

    async def inject(self, actions: Actions) -> str:
        """Set the limit, and verify that a connection idle beyond it is forgotten, and one used at once is not."""
        facility = actions.facility
        async with actions.step(1, f"forget connections over the link to {self.link} that are idle for {self.idle_s:.2f} s") as details:
            limit_s = await facility.packet_filter.forget_idle(self.link, facility.link(self.link), self.idle_s)
            details.append(f"the limit is {limit_s:.2f} s")
        async with actions.step(2, "wait until the limit holds for every connection that was open before"):
            await facility.packet_filter.wait_forgotten(self.link, facility.link(self.link), limit_s)
        await actions.require_link(3, self.link, ProbeSpec("requests", within_s=5.0, idle_s=0.0), "answered", after=", used at once")
        idle_s = IDLE_MARGIN * limit_s
        keepalives_s = facility.packet_filter.keepalives_s
        wanted = "answered" if keepalives_s is not None and keepalives_s < limit_s else "silent"
        async with actions.step(4, f"verify that a connection is {wanted} when it is used after {idle_s:.2f} s") as details:
            result = await actions.probe(self.link, ProbeSpec("requests", within_s=WITHIN_S, idle_s=idle_s))
            if result.ended != wanted or not result.size_bytes:  # silent from the first byte on is another fault
                raise FacilityError(f"expected a connection to {self.link} to be {wanted} after {idle_s:.2f} s of idling; saw: {result}")
            details.append(f"{result}; the database sent keep-alives every {keepalives_s:.0f} s" if keepalives_s else str(result))
        return f"connections to {self.link} that are idle for {limit_s:.2f} s are forgotten: {result}"

    async def heal(self, actions: Actions) -> str:
        """Remove the limit; what was forgotten stays so."""
        async with actions.step(1, f"forget no more connections over the link to {self.link}"):
            await actions.facility.packet_filter.keep_idle(self.link, actions.facility.link(self.link))
        return f"the link to {self.link}: {await actions.require_healed(2, self.link)}"
