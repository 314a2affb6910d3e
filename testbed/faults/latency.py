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
MIN_SHARE_OF_DELAY = 0.9  # a probe must have waited at least this share
ROUND_TRIPS = 12  # of a transaction: two calls, each with up to six questions to the database (check, begin, select, fetch, commit, close)


@dataclass(frozen=True, slots=True)
class Latency:
    """Delays what comes down the link from behind it by `latency_ms`, give or take `jitter_ms`, both in milliseconds.

    Done by the fault proxy's toxic of the same name. Connecting is as fast as ever: the proxy accepts at once.
    """

    latency_ms: Milliseconds
    jitter_ms: Milliseconds = 0
    link: LinkName = DATABASE

    @property
    def longest_delay_s(self) -> float:
        """The longest that a transaction takes more, in real seconds."""
        return ROUND_TRIPS * (self.latency_ms + self.jitter_ms) / 1000

    async def inject(self, actions: Actions) -> str:
        """Put the toxic on the link, and verify that an answer takes as long, or does not come while the probe waits."""
        toxics = {LATENCY: {"latency": self.latency_ms, "jitter": self.jitter_ms}}
        await actions.add_toxics(1, f"delay the link to the {self.link} by {self.latency_ms} ms", self.link, toxics)
        least_s = MIN_SHARE_OF_DELAY * max(0, self.latency_ms - self.jitter_ms) / 1000
        async with actions.step(2, f"verify that an answer takes {least_s:.2f} s or longer") as details:
            result = await actions.probe(self.link, ProbeSpec("log_in", within_s=min(LONGEST_LOOK_S, 1.0 + 2 * least_s)))
            waited_s = LONGEST_LOOK_S if result.ended == "silent" and result.first_byte_s is None else result.first_byte_s or 0.0
            if result.ended not in ("answered", "silent") or waited_s < min(least_s, LONGEST_LOOK_S):
                raise FacilityError(f"expected an answer over the link to {self.link} to take {least_s:.2f} s or longer; saw: {result}")
            details.append(str(result))
        return f"{self.latency_ms} ms, give or take {self.jitter_ms} ms, on every answer from the {self.link}: {result}"

    async def heal(self, actions: Actions) -> str:
        """Remove the toxic."""
        return f"the link to {self.link}: {await actions.remove_toxics(1, self.link, LATENCY)}"
