"""Every answer on a link comes late (W5, A5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from testbed.errors import FacilityError
from testbed.facility.link import DATABASE, LinkName, ToxicOn
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

Milliseconds = Annotated[int, Field(ge=0, le=600_000)]
LATENCY = ToxicOn("latency")
LONGEST_LOOK_S = 3.0
SOME = 0.9  # of the delay: a probe must have waited at least that


@dataclass(frozen=True, slots=True)
class Latency:
    """Delays what comes down the link from behind it by `latency_ms`, give or take `jitter_ms`, both in milliseconds.

    Done by the fault proxy's toxic of the same name. A connection comes about as fast as ever: the proxy accepts it.
    """

    latency_ms: Milliseconds
    jitter_ms: Milliseconds = 0
    link: LinkName = DATABASE

    async def inject(self, actions: Actions) -> str:
        """Put the toxic on the link, and see that an answer takes so long, or at least does not come while somebody looks."""
        given = {LATENCY: {"latency": self.latency_ms, "jitter": self.jitter_ms}}
        await actions.add_toxics(1, f"delay the link to the {self.link} by {self.latency_ms} ms", self.link, given)
        least_s = SOME * max(0, self.latency_ms - self.jitter_ms) / 1000
        async with actions.step(2, f"see that an answer takes {least_s:.2f} s or longer") as details:
            seen = await actions.probe(self.link, ProbeSpec("log_in", within_s=min(LONGEST_LOOK_S, 1.0 + 2 * least_s)))
            waited_s = LONGEST_LOOK_S if seen.ended == "silent" and seen.first_byte_s is None else seen.first_byte_s or 0.0
            if seen.ended not in ("answered", "silent") or waited_s < min(least_s, LONGEST_LOOK_S):
                raise FacilityError(f"an answer over the link to {self.link} was to take {least_s:.2f} s or longer, and was: {seen}")
            details.append(str(seen))
        return f"{self.latency_ms} ms, give or take {self.jitter_ms} ms, on every answer from the {self.link}: {seen}"

    async def heal(self, actions: Actions) -> str:
        """Take it away."""
        return f"the link to {self.link}: {await actions.remove_toxics(1, self.link, LATENCY)}"
