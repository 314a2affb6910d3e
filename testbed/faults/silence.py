"""Connected, and no answer ever (W4, A5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from testbed.facility.link import DATABASE, LinkName, ToxicOn
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

BOTH = (ToxicOn("silence", "upstream"), ToxicOn("silence", "downstream"))
ASK = ProbeSpec("log_in", within_s=1.0)


@dataclass(frozen=True, slots=True)
class Silence:
    """Connections over the link are established, and nothing gets through in either direction: no byte, no end.

    The fault proxy's own toxic of the same name holds what is sent and reads no more. When healed, it passes all of it on in order and
    closes nothing, so that calls that waited go on; with `ends = "cut"` every connection over the link is dropped instead, and they fail.
    It cannot show what a real network does when its own patience ends: no packet is lost, so no kernel ever gives up.
    """

    holds_answers: ClassVar[bool] = True
    no_answer: ClassVar[bool] = True

    link: LinkName = DATABASE
    ends: Literal["goes_on", "cut"] = "goes_on"

    async def inject(self, actions: Actions) -> str:
        """Put the toxic on both directions, and verify that nothing answers."""
        await actions.add_toxics(1, f"silence the link to {self.link}", self.link, {toxic: {} for toxic in BOTH})
        result = await actions.require_link(2, self.link, ASK, "silent")
        return f"the link to {self.link} is silent: {result}"

    async def heal(self, actions: Actions) -> str:
        """Remove the toxic: what was held goes on, or is cut."""
        cut = self.ends == "cut"
        if cut:
            async with actions.step(1, f"drop every connection over the link to {self.link}"):
                await actions.facility.link(self.link).drop()
        return f"the link to {self.link}: {await actions.remove_toxics(1 + cut, self.link, *BOTH)}"
