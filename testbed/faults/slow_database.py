"""The database lives and does not get on: a table is locked (S9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from testbed.errors import FacilityError, ServiceError

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

WORD = "slow_database"
WITHIN_S = 5.0
LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class SlowDatabase:
    """Locks the table of flights, as a long maintenance statement does: whoever reads it waits, and everything else works.

    A lock of PostgreSQL's own, held by a session of the testbed's. Healed, it lets go, and all who waited get their answers. It cannot show
    a slow disk or processor: nobody competes for them.
    """

    needs: ClassVar[str] = "processes"

    async def inject(self, actions: Actions) -> str:
        """Lock the table, and check that the database answers, but not when it is asked for a flight."""
        facility = actions.facility
        address, flights = facility.virtual_ip.address, facility.database.flights
        async with actions.step(1, "lock the table of flights"):
            facility.held[WORD] = await flights.lock(address, WITHIN_S)
        async with actions.step(2, f"see that the database answers, and tells of no flight within {LOOK_S:.1f} s"):
            await flights.ping(address, WITHIN_S)
            try:
                count = await flights.count(address, LOOK_S)
            except ServiceError:
                return "the table of flights is locked"
            raise FacilityError(f"the table of flights was to be locked, and {count} flights were counted")

    async def heal(self, actions: Actions) -> str:
        """Release the lock, and check that flights can be read again."""
        facility = actions.facility
        async with actions.step(1, "let the table of flights go"):
            stack = facility.held.pop(WORD, None)
            if stack is not None:
                await stack.aclose()
        async with actions.step(2, "see that the database tells of flights"):
            count = await facility.database.flights.count(facility.virtual_ip.address, WITHIN_S)
        return f"the table of flights is free, with {count} flights"
