"""Restart of application servers by hand: what gave the airline its service back (O9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from testbed.errors import FacilityError

if TYPE_CHECKING:
    from testbed.act import Actions


@dataclass(frozen=True, slots=True)
class Restart:
    """Kills and starts application servers: those whose request threads are all blocked, or the ones named.

    The evidence comes first, because it dies with the process, but only as far as it costs no time: one dump of each (O9).
    """

    services: Literal["blocked"] | tuple[str, ...] = "blocked"

    async def perform(self, actions: Actions) -> str:
        """Dump the threads of all services, then restart the chosen ones and wait until they are ready."""
        chosen = actions.blocked_servers() if self.services == "blocked" else self.services
        unknown = set(chosen) - set(actions.facility.application_servers)
        if unknown:
            raise FacilityError(
                f"no application server {', '.join(sorted(unknown))}; there are {', '.join(actions.facility.application_servers)}"
            )
        if not chosen:
            return "no application server was blocked, none was restarted"
        await actions.dump_threads()
        for number, service in enumerate(chosen, start=1):
            async with actions.step(number, f"restart {service}"):
                await actions.facility.restart(service)
        async with actions.step(len(chosen) + 1, "wait until they are ready"):
            await actions.facility.wait_ready(chosen)
        return f"restarted {', '.join(chosen)}"
