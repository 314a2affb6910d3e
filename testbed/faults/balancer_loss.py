"""One of the two balancers is gone (C3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from testbed.concurrency import wait_until
from testbed.facility.probe import ProbeSpec
from testbed.facility.runtime import ServiceSpec
from testbed.journal.events import Balancer
from testbed.plan.topology import BalancerName

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

CONNECT = ProbeSpec("connect", within_s=5.0)
ASK = ProbeSpec("requests", within_s=5.0)
BACK_WITHIN_S = 20.0
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class BalancerLoss:
    """Kills one of the two balancers (SIGKILL): calls in flight over it are cut, and new connections are refused.

    Healing starts it again, and waits until it sends calls to every application server that runs. It cannot show the loss of its machine:
    that keeps the address and refuses at once, where nobody would answer.
    """

    balancer: BalancerName = "lb-1"
    needs: ClassVar[str] = "balancers"

    async def inject(self, actions: Actions) -> str:
        """Kill the balancer, and verify that a caller is refused there."""
        async with actions.step(1, f"lose {self.balancer}"):
            await actions.facility.runtime.kill(self.balancer)
        result = await actions.require_link(2, self.balancer, CONNECT, "refused")
        return f"{self.balancer} is lost: {result}"

    async def heal(self, actions: Actions) -> str:
        """Start the balancer again, wait until it sends calls to every application server, and verify that a caller is answered."""
        async with actions.step(1, f"start {self.balancer} again"):
            await actions.facility.runtime.start(ServiceSpec(self.balancer, ""))
        async with actions.step(2, f"wait until {self.balancer} sends calls to every application server"):
            await self._wait_back(actions)
        result = await actions.require_link(3, self.balancer, ASK, "answered")
        return f"{self.balancer} is back: {result}"

    async def _wait_back(self, actions: Actions) -> None:
        facility = actions.facility
        wanted = set(facility.application_servers) - facility.down

        async def look() -> str | None:
            events = await facility.redundancy.look(actions.recorder.now)
            balancers = [event for event in events if isinstance(event, Balancer) and event.balancer == self.balancer]
            up = {server.server for balancer in balancers for server in balancer.servers if server.status.startswith("UP")}
            return None if wanted <= up else f"up: {', '.join(sorted(up)) or 'none'}"

        await wait_until(f"{self.balancer} did not send calls to {', '.join(sorted(wanted))}", look, BACK_WITHIN_S, every_s=POLL_S)
