"""A rack is lost, and every application server in it is gone at once (C3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from testbed.concurrency import run_all
from testbed.errors import FacilityError

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

RACKS = 3  # as compose.yaml has them


@dataclass(frozen=True, slots=True)
class RackLoss:
    """Kills every application server of a rack at once (SIGKILL). The servers stand in turn in the `RACKS` racks: cf-1 in the first.

    Healing starts them again. It cannot show the loss of a switch or of power: the machine goes on, and refuses connections at once.
    """

    rack: Annotated[int, Field(ge=1, le=RACKS)] = 1

    async def inject(self, actions: Actions) -> str:
        """Kill the servers, and verify that none of them runs."""
        lost = self._servers(actions)
        if not lost:
            raise FacilityError(
                f"no application server stands in rack {self.rack}; there are {', '.join(actions.facility.application_servers)}"
            )
        async with actions.step(1, f"lose rack {self.rack} with {', '.join(lost)}"):
            await run_all(actions.kill(server) for server in lost)
        async with actions.step(2, "verify that none of them runs"):
            alive = [server for server in lost if await actions.facility.runtime.exit(server) is None]
            if alive:
                raise FacilityError(f"{', '.join(alive)} of rack {self.rack} still runs")
        return f"rack {self.rack} is lost, with {', '.join(lost)}"

    async def over(self, actions: Actions) -> str:
        """Return that somebody started every server of the rack again, where it is so."""
        servers = self._servers(actions)
        if not servers or actions.facility.down & set(servers):
            return ""
        return f"somebody started {', '.join(servers)} of rack {self.rack} again"

    async def heal(self, actions: Actions) -> str:
        """Start the servers again, and wait until they are ready; where somebody restarts servers, when that is done."""
        async with actions.alone_on("services"):
            lost = [server for server in self._servers(actions) if server in actions.facility.down]
            async with actions.step(1, f"start {', '.join(lost) or 'nobody'} again"):
                for server in lost:
                    await actions.restart(server)
            async with actions.step(2, "wait until they are ready"):
                await actions.wait_ready(lost)
        return f"rack {self.rack} is back, with {', '.join(lost) or 'nobody'}"

    def _servers(self, actions: Actions) -> tuple[str, ...]:
        return tuple(actions.facility.application_servers[self.rack - 1 :: RACKS])
