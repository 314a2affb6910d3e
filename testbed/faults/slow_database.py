"""The database answers, but a table is locked (S9)."""

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
    """Locks the table of flights, as a long maintenance statement does: its readers wait, and everything else works.

    A lock of PostgreSQL's own, held by a session of the testbed. Healing releases it, and every reader that waited gets its answer. It
    cannot show a slow disk or processor: nothing competes for them.
    """

    needs: ClassVar[str] = "processes"
    holds_answers: ClassVar[bool] = True

    async def inject(self, actions: Actions) -> str:
        """Lock the table, and check that the database answers, but counts no flights."""
        facility = actions.facility
        address, flights = facility.virtual_ip.address, facility.database.flights
        async with actions.step(1, "lock the table of flights"):
            facility.held[WORD] = await flights.lock(address, WITHIN_S)
            facility.held_on[WORD] = facility.database.active
        async with actions.step(2, f"verify that the database answers, and counts no flights within {LOOK_S:.1f} s"):
            await flights.ping(address, WITHIN_S)
            try:
                count = await flights.count(address, LOOK_S)
            except ServiceError:
                return "the table of flights is locked"
            raise FacilityError(f"expected the table of flights to be locked; saw: {count} flights counted")

    async def over(self, actions: Actions) -> str:
        """Return that the session which held the lock is gone: it ended with its server, or by the server."""
        host = actions.facility.held_on.get(WORD)
        if host in (None, actions.facility.database.active):
            return ""
        await _release(actions)
        return f"the session that held the lock ended{f' with the database server on {host}' if host else ''}"

    async def heal(self, actions: Actions) -> str:
        """Release the lock, and check that flights can be read again."""
        facility = actions.facility
        async with actions.step(1, "release the lock on the table of flights"):
            await _release(actions)
        async with actions.step(2, "verify that the database counts flights"):
            count = await facility.database.flights.count(facility.virtual_ip.address, WITHIN_S)
        return f"the table of flights is unlocked, with {count} flights"


async def _release(actions: Actions) -> None:
    """Release the lock, where it is held."""
    actions.facility.held_on.pop(WORD, None)
    stack = actions.facility.held.pop(WORD, None)
    if stack is not None:
        await stack.aclose()
