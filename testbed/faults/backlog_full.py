"""A listener that lives but does not accept, and a listen queue that is full (W2, A4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from testbed.errors import FacilityError
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

WORD = "backlog_full"
ASK = ProbeSpec("queue", within_s=60.0)


@dataclass(frozen=True, slots=True)
class BacklogFull:
    """Stops an application server (SIGSTOP, or a paused container), and fills its listen queue.

    Who is in the queue is connected, as far as they can tell, and waits in the kernel; past the queue, attempts to connect are dropped and
    made again by whoever connects. A small `listen_backlog` of the facility is full soon. What is measured is told when it is healed: how
    long the first in the queue waited for its answer, and the first past it for its connection.
    """

    service: Annotated[str, Field(pattern=r"^cf-\d+$")] = "cf-1"

    async def inject(self, actions: Actions) -> str:
        """Stop it, and make connections until one does not come about."""
        facility = actions.facility
        async with actions.step(1, f"stop {self.service}"):
            await facility.runtime.pause(self.service)
        async with actions.step(2, f"fill the listen queue of {self.service} until a connection does not come about"):
            facility.waiting[WORD] = probe = facility.probe(self.service, ASK)
            await probe.wait_held()
        return f"{self.service} stands still, and its listen queue is full"

    async def heal(self, actions: Actions) -> str:
        """Let it go on, and hear what became of those who waited."""
        facility = actions.facility
        async with actions.step(1, f"let {self.service} go on"):
            await facility.runtime.resume(self.service)
        async with actions.step(2, "see that who waited is served") as details:
            probe = facility.waiting.pop(WORD, None)
            if probe is None:
                return f"{self.service} goes on"
            try:
                seen = await probe.wait_result()
            finally:
                await probe.end()
            if seen.ended != "answered":
                raise FacilityError(f"{self.service} goes on, but of those who waited {seen}")
            details.append(str(seen))
        return f"{self.service}: {seen}"
