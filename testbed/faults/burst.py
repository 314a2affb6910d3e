"""Ten thousand requests come at once (W6)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from testbed.concurrency import wait_until
from testbed.errors import FacilityError, WaitError
from testbed.facility.burst import BurstSpec
from testbed.plan.topology import TRANSACTIONS

if TYPE_CHECKING:
    from testbed.facility.address import Address
    from testbed.replay.actions import Actions

# A real passenger's flight: everybody asks for the same one, each under a name of their own would be another fault (a cache that fills).
FLIGHT = {"passenger": "one of the crowd", "date": "2013-10-08", "carrier": "US", "flight": 1843, "origin": "EWR", "destination": "CLT"}
LOOKUP = "/flights?from=EWR&to=CLT&date=2013-10-08"
AT_REST_WITHIN_S = 30.0
POLL_S = 0.05
SERVED = ("open", "answered", "silent")  # the others were turned away


@dataclass(frozen=True, slots=True)
class Burst:
    """A crowd before one front door: so many connections are opened, and then over all of them a request is sent at once.

    `door`: a caller, or an application server. `requests`: how many. Of a caller the crowd asks what needs nothing but the caller, or with
    `needs_facility` what does not; of an application server, a lookup. Who has no answer after `within_s` real seconds gives up; the others
    hold their connections until then. The memory of every process is looked at before, during and after.
    """

    needs: ClassVar[str] = "processes"

    door: Annotated[str, Field(min_length=1, max_length=20)] = "kiosk"
    requests: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    needs_facility: bool = False
    within_s: Annotated[float, Field(gt=0, le=3600)] = 60.0

    async def inject(self, actions: Actions) -> str:
        """Let them come, ask and go, and see that they were a crowd: that most of them were there at one time."""
        facility = actions.facility
        order = self._order(facility.runtime.address(self.door))
        await actions.sample_resources()
        async with actions.step(1, f"open {self.requests} connections to {self.door}") as details:
            burst = await facility.instruments.open_burst(facility.runtime, order)
            details.append(str(burst.opened))
        try:
            async with actions.step(2, f"ask {self.door} over every one of them at once") as details:
                told, _ = await asyncio.gather(burst.ask(), actions.sample_resources())
                details.append(str(told))
            async with actions.step(3, f"see that more than half of {self.requests} waited at one time, or were turned away") as details:
                turned_away = sum(count for seen in (burst.opened, told) for how, count in seen.ended.items() if how not in SERVED)
                details.append(f"{told.at_once} waited at one time, {turned_away} were turned away")
                if 2 * (told.at_once + turned_away) <= self.requests:
                    raise FacilityError(f"that was no crowd: {details[0]}, of {self.requests}")
            await actions.sample_resources()
        finally:
            await burst.leave()
        async with actions.step(4, f"let them go, and wait until nobody waits at {self.door} any more") as details:
            details.append(await self._wait_at_rest(actions))
            await actions.sample_resources()
        return f"{self.requests} at once to {self.door}: {burst.opened}; then {told}"

    def _order(self, address: Address) -> BurstSpec:
        path, body = LOOKUP, ""
        if self.door in TRANSACTIONS:
            names = [name for name, needs in TRANSACTIONS[self.door].items() if needs is self.needs_facility]
            path, body = f"/transactions/{names[0]}", json.dumps(FLIGHT)
        head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
        return BurstSpec(address.host, address.port, self.requests, f"{head}Content-Length: {len(body)}\r\n\r\n{body}", self.within_s)

    async def _wait_at_rest(self, actions: Actions) -> str:
        """Wait until the door says that no request waits for a thread; return how long that took, or that it was not in time."""
        began_s = actions.recorder.t_s()

        async def look() -> str | None:
            sample = actions.state.last.get(self.door)
            if sample is None or sample.t_s <= began_s:
                return "no sample"
            return None if sample.waiting == 0 else f"{sample.waiting} requests wait"

        try:
            await wait_until(f"{self.door} was not at rest", look, AT_REST_WITHIN_S, every_s=POLL_S)
        except WaitError:
            return f"somebody still after {AT_REST_WITHIN_S:.0f} s"
        return f"nobody after {actions.recorder.t_s() - began_s:.1f} s"
