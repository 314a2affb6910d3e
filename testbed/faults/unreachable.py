"""Attempts to connect are dropped in silence (W2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from testbed.facility.link import DATABASE, LinkName
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

ASK = ProbeSpec("connect", within_s=1.5)


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Drops attempts to connect over the link: the client's kernel retries until it gives up.

    That takes about two minutes on Linux (`net.ipv4.tcp_syn_retries`), unless a time-out of the client's own ends it. On containers the
    firewall drops them, and open connections go on. Where there is no firewall, a listener whose queue is full takes the link's place:
    the kernel drops attempts in the same way, but open connections are cut.
    """

    holds_answers: ClassVar[bool] = True
    no_answer: ClassVar[bool] = True

    link: LinkName = DATABASE

    async def inject(self, actions: Actions) -> str:
        """Drop attempts to connect, and verify that a connection is not established."""
        async with actions.step(1, f"drop attempts to connect over the link to {self.link}"):
            await actions.facility.packet_filter.drop(self.link, actions.facility.link(self.link))
        result = await actions.require_link(2, self.link, ASK, "unconnected")
        return f"the link to {self.link}: {result}"

    async def heal(self, actions: Actions) -> str:
        """Accept attempts to connect again."""
        async with actions.step(1, f"accept attempts to connect over the link to {self.link} again"):
            await actions.facility.packet_filter.accept(self.link, actions.facility.link(self.link))
        return f"the link to {self.link}: {await actions.require_healed(2, self.link)}"
