"""A connection that was idle for too long is forgotten on the way, and nobody is told (A7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from testbed.errors import FacilityError
from testbed.facility.link import DATABASE, LinkName
from testbed.facility.probe import ProbeSpec
from testbed.replay.actions import HEALED

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

BEYOND = 1.2  # times the limit: so long a probe rests, to be forgotten
WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class IdleDrop:
    """Forgets each connection over the link that was idle for `idle_s` real seconds: what is sent over it then is dropped.

    Both ways and without a word, and it stays open on both sides: a read waits for ever. On containers the kernel's connection table of
    the firewall does it (`nf_conntrack_tcp_timeout_established`, in whole seconds, rounded up), on the link to the database. On processes
    it is the fault proxy's own toxic of the same name, a true idle timer on any link; it cannot show what the kernel's keep-alive packets
    would do, because a proxy does not see them. Where the database asks over a connection that rests, through the firewall, whether it is
    still there (A8), that connection is not idle, and what shows that the limit holds is the kernel's table. A connection that was
    forgotten stays so when this is healed.
    """

    idle_s: Annotated[float, Field(ge=0.05, le=3600)] = 1.0
    link: LinkName = DATABASE

    async def inject(self, actions: Actions) -> str:
        """Let them be forgotten, and see that a connection that rests is, and one that does not rest is not."""
        facility = actions.facility
        async with actions.step(1, f"forget connections over the link to {self.link} that are idle for {self.idle_s:.2f} s") as details:
            limit_s = await facility.packet_filter.forget_idle(self.link, facility.link(self.link), self.idle_s)
            details.append(f"the limit is {limit_s:.2f} s")
        async with actions.step(2, "wait until the limit holds for every connection that was there before"):
            await facility.packet_filter.wait_forgotten(self.link, facility.link(self.link), limit_s)
        await actions.require_link(3, self.link, ProbeSpec("requests", within_s=5.0, idle_s=0.0), "answered", after=", used at once")
        rest_s = BEYOND * limit_s
        kept_s = facility.packet_filter.keepalives_s
        wanted = "answered" if kept_s is not None and kept_s < limit_s else "silent"
        async with actions.step(4, f"see that one is {wanted} when it is used after {rest_s:.2f} s") as details:
            seen = await actions.probe(self.link, ProbeSpec("requests", within_s=WITHIN_S, idle_s=rest_s))
            if seen.ended != wanted or not seen.size_bytes:  # silent from the first byte on is another fault
                raise FacilityError(f"a connection over the link to {self.link} was to be {wanted} after {rest_s:.2f} s, and was: {seen}")
            details.append(f"{seen}; the database asked every {kept_s:.0f} s" if kept_s else str(seen))
        return f"connections to {self.link} that are idle for {limit_s:.2f} s are forgotten: {seen}"

    async def heal(self, actions: Actions) -> str:
        """Let nothing more be forgotten."""
        async with actions.step(1, f"forget no more connections over the link to {self.link}"):
            await actions.facility.packet_filter.keep_idle(self.link, actions.facility.link(self.link))
        return f"the link to {self.link}: {await actions.require_link(2, self.link, HEALED, 'answered')}"
