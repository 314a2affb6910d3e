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

# A real passenger's flight. All requests ask for the same one: a name of its own for each would be another fault (a cache that fills).
FLIGHT = {"passenger": "one of the crowd", "date": "2013-10-08", "carrier": "US", "flight": 1843, "origin": "EWR", "destination": "CLT"}
LOOKUP = "/flights?from=EWR&to=CLT&date=2013-10-08"
AT_REST_WITHIN_S = 30.0
POLL_S = 0.05
SERVED = ("open", "answered", "silent")  # the others were turned away


@dataclass(frozen=True, slots=True)
class Burst:
    """Opens many connections to one front door, then sends a request over all of them at once: a connection flood.

    `door`: a caller, or an application server. `requests`: how many. A caller is asked for a transaction that needs nothing but the caller,
    or with `needs_facility` for one that needs the facility, too; an application server for a lookup. A request without an answer after
    `within_s` real seconds is given up; the others hold their connections until then. Resource usage is sampled before, during and after.
    """

    needs: ClassVar[str] = "processes"
    exhausts: ClassVar[tuple[str, ...]] = ("descriptors",)

    door: Annotated[str, Field(min_length=1, max_length=20)] = "kiosk"
    requests: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    needs_facility: bool = False
    within_s: Annotated[float, Field(gt=0, le=3600)] = 60.0

    async def inject(self, actions: Actions) -> str:
        """Open, send and close, and verify that more than half of the requests waited at one time or were turned away."""
        facility = actions.facility
        spec = self._spec(facility.runtime.address(self.door))
        await actions.sample_resources()
        async with actions.step(1, f"open {self.requests} connections to {self.door}") as details:
            burst = await facility.instruments.open_burst(facility.runtime, spec)
            details.append(str(burst.opened))
        try:
            async with actions.step(2, f"send a request over all of them to {self.door} at once") as details:
                result, _ = await asyncio.gather(burst.ask(), actions.sample_resources())
                details.append(str(result))
            async with actions.step(3, f"verify that more than half of {self.requests} waited at one time, or were turned away") as details:
                turned_away = sum(count for phase in (burst.opened, result) for how, count in phase.ended.items() if how not in SERVED)
                details.append(f"{result.at_once} waited at one time, {turned_away} were turned away")
                if 2 * (result.at_once + turned_away) <= self.requests:
                    raise FacilityError(f"expected more than half of {self.requests} requests to wait or be turned away; saw: {details[0]}")
            await actions.sample_resources()
        finally:
            await burst.leave()
        async with actions.step(4, f"close every connection, and wait until no request waits at {self.door}") as details:
            details.append(await self._wait_at_rest(actions))
            await actions.sample_resources()
        return f"{self.requests} at once to {self.door}: {burst.opened}; then {result}"

    def _spec(self, address: Address) -> BurstSpec:
        path, body = LOOKUP, ""
        if self.door in TRANSACTIONS:
            names = [name for name, needs in TRANSACTIONS[self.door].items() if needs is self.needs_facility]
            path, body = f"/transactions/{names[0]}", json.dumps(FLIGHT)
        head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
        return BurstSpec(address.host, address.port, self.requests, f"{head}Content-Length: {len(body)}\r\n\r\n{body}", self.within_s)

    async def _wait_at_rest(self, actions: Actions) -> str:
        """Wait until no request waits for a thread at the door; return in words how long that took, or that it took too long."""
        began_s = actions.recorder.t_s()

        async def look() -> str | None:
            sample = actions.state.last.get(self.door)
            if sample is None or sample.t_s <= began_s:
                return "no sample"
            return None if sample.waiting == 0 else f"{sample.waiting} requests wait"

        try:
            await wait_until(f"{self.door} was not at rest", look, AT_REST_WITHIN_S, every_s=POLL_S)
        except WaitError:
            return f"requests still wait after {AT_REST_WITHIN_S:.0f} s"
        return f"none after {actions.recorder.t_s() - began_s:.1f} s"
