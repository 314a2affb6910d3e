"""Connections are established, and then reset by the other side: RST (W3)."""

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
    open, once; new connections are served. Done by the fault proxy's toxic `reset_peer`, and for idle ones by its own toxic `lifetime`.
    The proxy has accepted by then, so the connection itself is always established.
    """

    moment: Moment = "answer"
    link: LinkName = DATABASE

    @property
    def no_answer(self) -> bool:
        """Whether no answer comes over the link while it is active."""
        return not self.momentary

    @property
    def momentary(self) -> bool:
        """Whether it leaves nothing on the link."""
        return self.moment == "idle"

    async def inject(self, actions: Actions) -> str:
        """Put the toxic on the link and verify a reset; `idle` resets those that are open, and removes the toxic at once."""
        if self.moment == "idle":
            result = await actions.cut_idle(self.link, LIFETIME, {"lifetime": 1, "reset": 1}, "reset")
            return f"every open connection to {self.link} was reset: {result}"
        toxic = ON_ANSWER if self.moment == "answer" else ON_REQUEST
        moment = "an answer comes" if toxic is ON_ANSWER else "they are used"
        await actions.add_toxics(1, f"reset connections when {moment}", self.link, {toxic: {"timeout": 0}})
        return f"connections to {self.link} are reset: {await actions.require_link(2, self.link, ASK, 'reset')}"

    async def heal(self, actions: Actions) -> str:
        """Remove the toxics; connections that were reset stay reset."""
        return f"the link to {self.link}: {await actions.remove_toxics(1, self.link, ON_REQUEST, ON_ANSWER, LIFETIME)}"
