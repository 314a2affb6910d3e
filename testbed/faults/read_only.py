"""The address of the database leads to a standby: every check says well, and every write fails (25006)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from testbed.errors import FacilityError

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

WORD = "read_only"
WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class ReadOnly:
    """Points the virtual IP to a standby that follows the database: who connects is let in and may read, and no write is accepted.

    So an address leads after a failover that was half done. Connections over it are dropped when it moves, and when it moves back.
    """

    needs: ClassVar[str] = "processes"

    async def inject(self, actions: Actions) -> str:
        """Start a standby, point the virtual IP to it, and check that it counts flights and accepts no write."""
        facility = actions.facility
        database, flights = facility.database, facility.database.flights
        async with actions.alone_on("database"):
            async with actions.step(1, f"start a standby of the database server on {database.active}"):
                standby = await database.start_standby()
            async with actions.step(2, "give the virtual IP to the standby"):
                facility.held_on[WORD] = database.active
                await facility.virtual_ip.point(standby)
            async with actions.step(3, "verify that the database counts flights and accepts no write"):
                count = await flights.count(facility.virtual_ip.address, WITHIN_S)
                if not await flights.is_read_only(facility.virtual_ip.address, WITHIN_S):
                    raise FacilityError("expected a database that accepts no write; saw: one that does")
        return f"the virtual IP leads to a standby, with {count} flights"

    async def over(self, actions: Actions) -> str:
        """Return that the virtual IP was given to another host, as a switchover does it."""
        database = actions.facility.database
        host = actions.facility.held_on.get(WORD)
        if host in (None, database.active):
            return ""
        actions.facility.held_on.pop(WORD)
        await database.stop_standby()
        return f"the virtual IP was given to {database.active}"

    async def heal(self, actions: Actions) -> str:
        """Give the virtual IP back to the database server, and check that it accepts writes."""
        facility = actions.facility
        database, flights = facility.database, facility.database.flights
        async with actions.alone_on("database"):
            async with actions.step(1, f"give the virtual IP to {database.active}"):
                facility.held_on.pop(WORD, None)
                await facility.virtual_ip.point(database.address)
            async with actions.step(2, "end the standby"):
                await database.stop_standby()
            async with actions.step(3, "verify that the database accepts writes"):
                if await flights.is_read_only(facility.virtual_ip.address, WITHIN_S):
                    raise FacilityError("expected a database that accepts writes; saw: one that does not")
        return f"the virtual IP leads to {database.active}"
