"""Connections are made, and then reset by the other side: RST (W3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.facility.link import DATABASE, LinkName, Moment, ToxicOn
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

ASK = ProbeSpec("log_in", within_s=5.0)
ON_REQUEST = ToxicOn("reset_peer", "upstream")
ON_ANSWER = ToxicOn("reset_peer", "downstream")
LIFETIME = ToxicOn("lifetime")


@dataclass(frozen=True, slots=True)
class Reset:
    """Resets connections over the link by RST, at one `moment` of their life.

    `connect`: each at the first byte that is sent over it. `answer`: each when an answer comes, which is lost. `idle`: every one that is
    open, once; whoever connects anew is served. By the fault proxy's toxic `reset_peer`, and for idle ones by its own toxic `lifetime`. As
    the proxy has accepted by then, the connection itself always comes about.
    """

    moment: Moment = "answer"
    link: LinkName = DATABASE

    async def inject(self, actions: Actions) -> str:
        """Put the toxic on the link and see a reset; for idle ones, of one that was open before, and the toxic goes at once."""
        if self.moment == "idle":
            seen = await actions.cut_idle(self.link, LIFETIME, {"lifetime": 1, "reset": 1}, "reset")
            return f"every open connection to {self.link} was reset: {seen}"
        toxic = ON_ANSWER if self.moment == "answer" else ON_REQUEST
        await actions.add_toxics(
            1, f"reset connections when {'an answer comes' if toxic is ON_ANSWER else 'they are used'}", self.link, {toxic: {"timeout": 0}}
        )
        return f"connections to {self.link} are reset: {await actions.require_link(2, self.link, ASK, 'reset')}"

    async def heal(self, actions: Actions) -> str:
        """Take it away; what was reset stays so."""
        return f"the link to {self.link}: {await actions.remove_toxics(1, self.link, ON_REQUEST, ON_ANSWER, LIFETIME)}"
