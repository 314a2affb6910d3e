"""Answers come byte by byte, and very slowly (W5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from testbed.errors import FacilityError
from testbed.facility.link import DATABASE, LinkName, ToxicOn
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

SLICER = ToxicOn("slicer")
LOOK_S = 2.5


@dataclass(frozen=True, slots=True)
class Trickle:
    """Slows what comes down the link from behind it to a byte every `every_ms` milliseconds.

    Every single read succeeds, so a time-out for reads never fires: only a deadline for the whole answer would. Done by the fault proxy's
    toxic `slicer`, with pieces of one byte. It tells no longest delay: an answer is late by its length, which has no bound, and even the
    shortest takes minutes.
    """

    holds_answers: ClassVar[bool] = True

    every_ms: Annotated[int, Field(ge=100, le=60_000)] = 1000
    link: LinkName = DATABASE

    async def inject(self, actions: Actions) -> str:
        """Put the toxic on the link, and verify that an answer comes no faster."""
        toxics = {SLICER: {"average_size": 1, "size_variation": 0, "delay": self.every_ms * 1000}}
        await actions.add_toxics(1, f"slow the link to {self.link} to a byte every {self.every_ms} ms", self.link, toxics)
        look_s = max(LOOK_S, 1.5 * self.every_ms / 1000)
        most_bytes = int(look_s * 1000 / self.every_ms) + 1
        async with actions.step(2, f"verify that at least 1 and at most {most_bytes} bytes of an answer come in {look_s:.1f} s") as details:
            result = await actions.probe(self.link, ProbeSpec("log_in", within_s=look_s))
            if result.ended != "silent" or not 0 < result.size_bytes <= most_bytes:
                raise FacilityError(f"expected 1 to {most_bytes} bytes of an answer over the link to {self.link}; saw: {result}")
            details.append(str(result))
        return f"a byte every {self.every_ms} ms from the {self.link}: {result}"

    async def heal(self, actions: Actions) -> str:
        """Remove the toxic: the rest of each answer comes at once."""
        return f"the link to {self.link}: {await actions.remove_toxics(1, self.link, SLICER)}"
