"""Restart of application servers by an operator: what gave the airline its service back (O9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from testbed.errors import FacilityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.replay.actions import Actions


@dataclass(frozen=True, slots=True)
class Restart:
    """Kills and starts application servers: the blocked ones, or those named.

    Thread dumps come first, because the evidence dies with the process, but only one of each: they must cost no time (O9).
    """

    services: Literal["blocked"] | tuple[str, ...] = "blocked"

    async def perform(self, actions: Actions) -> str:
        """Dump the threads of all services, then restart the chosen ones and wait until they are ready."""
        async with actions.alone_on("services"):
            chosen = actions.state.blocked_servers() if self.services == "blocked" else self.services
            known = actions.facility.application_servers
            unknown = sorted(set(chosen) - set(known))
            if unknown:
                raise FacilityError(f"no application server {', '.join(unknown)}; there are {', '.join(known)}")
            if not chosen:
                return "no application server was blocked, none was restarted"
            return await restart(actions, chosen)


async def restart_alone(actions: Actions, services: Sequence[str]) -> str:
    """Restart services as `restart` does, as soon as nobody else is at work on services."""
    async with actions.alone_on("services"):
        return await restart(actions, services)


async def restart(actions: Actions, services: Sequence[str], *, evidence: bool = True) -> str:
    """Dump the threads of all services, then restart the ones named and wait until they are ready; return a line that names them.

    Without `evidence` nothing is dumped: what only the killed processes knew is lost.
    """
    if evidence:
        await actions.collect_evidence("restart")
    for number, service in enumerate(services, start=1):
        async with actions.step(number, f"restart {service}"):
            await actions.restart(service)
    async with actions.step(len(services) + 1, "wait until they are ready"):
        await actions.wait_ready(services)
    return f"restarted {', '.join(services)}"
