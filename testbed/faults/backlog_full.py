"""A process that listens but does not accept, and whose listen queue is full (W2, A4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from testbed.errors import FacilityError
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

ASK = ProbeSpec("queue", within_s=60.0)


@dataclass(frozen=True, slots=True)
class BacklogFull:
    """Stops an application server (SIGSTOP, or a paused container), and fills its listen queue.

    Clients in the queue are connected, as far as they can tell, and wait in the kernel; past the queue, the kernel drops attempts to
    connect, and the client retries. A small `listen_backlog` of the facility is full soon. Healing reports how long the first in the queue
    waited for its answer, and the first past it for its connection.
    """

    holds_answers: ClassVar[bool] = True

    service: Annotated[str, Field(pattern=r"^cf-[0-9]+$")] = "cf-1"

    async def inject(self, actions: Actions) -> str:
        """Stop the server, and open connections until one is not established."""
        facility = actions.facility
        if self.service in facility.waiting:
            raise FacilityError(f"{self.service} is stopped already, and its listen queue full; allowed: after `heal`, or another server")
        async with actions.step(1, f"stop {self.service}"):
            await facility.runtime.pause(self.service)
        async with actions.step(2, f"fill the listen queue of {self.service} until a connection is not established"):
            facility.waiting[self.service] = probe = facility.probe(self.service, ASK)
            await probe.wait_held()
        return f"{self.service} is stopped, and its listen queue is full"

    async def over(self, actions: Actions) -> str:
        """Return that the stopped process is gone, where it is: killed, or replaced by another; its queue went with it."""
        if await actions.facility.runtime.is_paused(self.service):
            return ""
        probe = actions.facility.waiting.pop(self.service, None)
        if probe is not None:
            await probe.end()
        return f"the stopped process of {self.service} is gone, and its listen queue with it"

    async def heal(self, actions: Actions) -> str:
        """Resume the server, and verify that the clients in the queue are served."""
        facility = actions.facility
        async with actions.step(1, f"resume {self.service}"):
            await facility.runtime.resume(self.service)
        async with actions.step(2, "verify that the clients that waited are served") as details:
            probe = facility.waiting.pop(self.service, None)
            if probe is None:
                return f"{self.service} is resumed"
            try:
                result = await probe.wait_result()
            finally:
                await probe.end()
            if result.ended != "answered":
                raise FacilityError(f"{self.service} is resumed, but the clients that waited were not served: {result}")
            details.append(str(result))
        return f"{self.service}: {result}"
