"""A process that accepts slowly, and whose listen queue is full (A4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from testbed.errors import FacilityError
from testbed.facility.link import DATABASE, LinkName, ToxicOn
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

SLOW = ToxicOn("slow_accept")
PAST_S = 0.5  # the kernel tries again after a second; whoever connects sooner has found room
ROUNDS = 2  # of the whole queue, after which the probe's last connection must be in


@dataclass(frozen=True, slots=True)
class SlowAccept:
    """Accepts one connection over the link every `every_ms` milliseconds; `queue` and one more wait for it in the kernel.

    Who is in the queue is connected, as far as it can tell, and is served when its turn comes. Past the queue the kernel drops attempts,
    and clients try again after one second, three, seven and so on. Open connections go on. Done by the fault proxy's own toxic of the same
    name, so what is slow is the proxy and not the server behind it.
    """

    holds_answers: ClassVar[bool] = True

    every_ms: Annotated[int, Field(ge=50, le=60_000)] = 500
    queue: Annotated[int, Field(ge=1, le=500)] = 5
    link: LinkName = DATABASE

    async def inject(self, actions: Actions) -> str:
        """Put the toxic on the link, fill the queue, and verify that the first in it is served, and the first past it comes in later."""
        toxics = {SLOW: {"interval": self.every_ms, "queue": self.queue}}
        await actions.add_toxics(1, f"accept a connection to {self.link} every {self.every_ms} ms", self.link, toxics)
        within_s = 20.0 + ROUNDS * (self.queue + 2) * self.every_ms / 1000
        async with actions.step(2, "verify that the queue fills, and that those in it are served") as details:
            result = await actions.probe(self.link, ProbeSpec("queue", within_s=within_s))
            # Others may have filled the queue before: then the probe's only connection is the first past it.
            waited = result.first_byte_s is not None if result.queued else result.ended == "answered" and result.connected_s >= PAST_S
            if not waited or result.queued > ROUNDS * (self.queue + 2):
                raise FacilityError(f"expected a queue of {self.queue} at {self.link} to fill, and who waits to be served; saw: {result}")
            details.append(str(result))
        return f"a connection to {self.link} is accepted every {self.every_ms} ms: {result}"

    async def heal(self, actions: Actions) -> str:
        """Remove the toxic: all who wait are accepted at once."""
        return f"the link to {self.link}: {await actions.remove_toxics(1, self.link, SLOW)}"
