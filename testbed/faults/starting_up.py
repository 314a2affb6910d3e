"""The database server is there, and lets nobody in: it is starting up (57P03)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import FacilityError, ServiceError

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

WITHIN_S = 5.0
ANSWER = "the database system is starting up"


@dataclass(frozen=True, slots=True)
class StartingUp:
    """Starts the database server anew, and holds it where it recovers: sessions end, and each new one is refused until it is healed.

    So a server behaves that has much to recover. The port is open and every attempt gets an answer, so who checks only that finds nothing.
    By PostgreSQL's own recovery, whose command to fetch a file of the log waits.
    """

    async def inject(self, actions: Actions) -> str:
        """Stop the server, start it held, and check that a log-in is answered with 57P03."""
        facility = actions.facility
        database = facility.database
        async with actions.alone_on("database"), facility.cluster.moving():
            host = database.active
            async with actions.step(1, f"stop the database server on {host}"):
                await database.stop_server()
            async with actions.step(2, f"start the database server on {host}, and hold it where it recovers"):
                await facility.virtual_ip.point(await database.hold_start(host))
            async with actions.step(3, "verify that a log-in is refused because it is starting up"):
                try:
                    await database.flights.ping(facility.virtual_ip.address, WITHIN_S)
                except ServiceError as error:
                    if ANSWER in str(error):
                        return f"the database server on {host} is starting up"
                    raise
                raise FacilityError(f"expected: {ANSWER}; saw: a log-in that was let in")

    async def over(self, actions: Actions) -> str:
        """Return that the server was stopped meanwhile, as a switchover does it: another one serves."""
        database = actions.facility.database
        return "" if database.is_starting else f"the server that was starting up was stopped; {database.active} serves"

    async def heal(self, actions: Actions) -> str:
        """Let it go on, and check that it has its flights."""
        facility = actions.facility
        async with actions.alone_on("database"):
            async with actions.step(1, f"let the database server on {facility.database.active} recover"):
                await facility.database.finish_start()
            async with actions.step(2, "verify that the database counts flights"):
                count = await facility.database.flights.count(facility.virtual_ip.address, WITHIN_S)
        return f"the database server has started, with {count} flights"
