"""Connections are established, and then closed by the other side: FIN (W3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from testbed.facility.link import DATABASE, LinkName, Moment, ToxicOn
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

ASK = ProbeSpec("log_in", within_s=5.0)
TIMEOUT = ToxicOn("timeout")
LIMIT = ToxicOn("limit_data")


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Ends connections over the link by FIN, at one `moment` of their life.

    `connect`: each a millisecond after it was made, and every one that is open. `answer`: each when `bytes` bytes of answers have come over
    it, in the middle of one. `idle`: every one that is open, once; new connections are served. Done by the fault proxy's toxics `timeout`
    and `limit_data`. The proxy has accepted by then, so the connection itself is always established.
    """

    moment: Moment = "answer"
    bytes: Annotated[int, Field(ge=0, le=1_000_000_000)] = 100
    link: LinkName = DATABASE

    @property
    def no_answer(self) -> bool:
        """Whether no answer comes over the link while it is active; one that is cut in the middle does, if it is short enough."""
        return self.moment == "connect"

    @property
    def momentary(self) -> bool:
        """Whether it leaves nothing on the link."""
        return self.moment == "idle"

    async def inject(self, actions: Actions) -> str:
        """Put the toxic on the link and verify that a connection ends; `idle` cuts those that are open, and removes the toxic at once."""
        if self.moment == "answer":
            await actions.add_toxics(1, f"end connections after {self.bytes} bytes", self.link, {LIMIT: {"bytes": self.bytes}})
            return f"connections to {self.link} end: {await actions.require_link(2, self.link, ASK, 'closed')}"
        if self.moment == "connect":
            await actions.add_toxics(1, "end connections when they are made", self.link, {TIMEOUT: {"timeout": 1}})
            return f"connections to {self.link} end: {await actions.require_link(2, self.link, ASK, 'closed')}"
        result = await actions.cut_idle(self.link, TIMEOUT, {"timeout": 1}, "closed")
        return f"every open connection to {self.link} was ended: {result}"

    async def heal(self, actions: Actions) -> str:
        """Remove the toxic; connections that were cut stay cut."""
        return f"the link to {self.link}: {await actions.remove_toxics(1, self.link, TIMEOUT, LIMIT)}"
