"""The database server is killed, and started again where it was: it recovers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Crash:
    """Kills the database server, and starts it again on the same host after `down_s` real seconds, as who supervises it would.

    Its sessions end without a word from the server, and nobody listens until it has recovered from its log. It cannot show a lost machine:
    what is on the disk is there, and the address answers, if only with a refusal.
    """

    down_s: Annotated[float, Field(ge=0, le=60)] = 1.0

    async def inject(self, actions: Actions) -> str:
        """Kill it with SIGKILL, start it again, and check that it has its flights."""
        facility = actions.facility
        database = facility.database
        async with actions.alone_on("database"), facility.cluster.moving():
            host = database.active
            async with actions.step(1, f"kill the database server on {host}"):
                await database.kill_server()
            async with actions.step(2, f"leave it down for {self.down_s:g} s"):
                await asyncio.sleep(self.down_s)
            async with actions.step(3, f"start the database server on {host}"):
                await facility.virtual_ip.point(await database.start_server(host))
            async with actions.step(4, "verify that the database counts flights"):
                count = await database.flights.count(facility.virtual_ip.address, WITHIN_S)
        return f"the database server on {host} was killed, and recovered with {count} flights"
