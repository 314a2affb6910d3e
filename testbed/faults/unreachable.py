"""Attempts to connect are dropped, and nobody is told (W2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.facility.link import DATABASE, LinkName
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

ASK = ProbeSpec("connect", within_s=1.5)


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Attempts to connect over the link are dropped: whoever connects tries again and again, for as long as its kernel has patience.

    That is about two minutes on Linux (`net.ipv4.tcp_syn_retries`), unless a time-out of its own ends it. On containers the firewall
    drops them, and connections that are open go on. Where no firewall can be had, a listener whose queue is full takes the link's place:
    the kernel drops attempts in the same way, but connections that were open are cut.
    """

    link: LinkName = DATABASE

    async def inject(self, actions: Actions) -> str:
        """Let them be dropped, and see that one does not come about."""
        async with actions.step(1, f"drop attempts to connect over the link to {self.link}"):
            await actions.facility.packet_filter.drop(self.link, actions.facility.link(self.link))
        seen = await actions.require_link(2, self.link, ASK, "unconnected")
        return f"the link to {self.link}: {seen}"

    async def heal(self, actions: Actions) -> str:
        """Let them through again."""
        async with actions.step(1, f"let attempts to connect over the link to {self.link} through"):
            await actions.facility.packet_filter.accept(self.link, actions.facility.link(self.link))
        seen = await actions.require_link(2, self.link, ProbeSpec("log_in", within_s=10.0), "answered")
        return f"the link to {self.link}: {seen}"
