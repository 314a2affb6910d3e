"""The database server ends every session, and goes on (W3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.faults import slow_database

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

ADMIN_SHUTDOWN = "57P01"  # PostgreSQL's code for a session that an administrator ended


@dataclass(frozen=True, slots=True)
class SessionsEnded:
    """Ends every session of the application servers (`pg_terminate_backend`), as an administrator does, or a limit on idle sessions.

    Each is told why (SQLSTATE 57P01) and closed; whoever rests in a pool hears of it at its next statement. New sessions are served, so it
    is over at once. A session that holds the lock of `slow_database` is one of them.
    """

    async def inject(self, actions: Actions) -> str:
        """End the sessions, wait until they are gone, and verify what one of them was told."""
        facility = actions.facility
        async with actions.step(1, "end every session of the application servers") as details:
            ended = await facility.database.end_sessions()
            if slow_database.WORD in facility.held_on:
                facility.held_on[slow_database.WORD] = ""
            details.append(f"{ended.count} sessions")
        async with actions.step(2, f"verify that a session was told {ADMIN_SHUTDOWN}") as details:
            if ended.told != ADMIN_SHUTDOWN:
                raise FacilityError(f"expected a session to be told {ADMIN_SHUTDOWN}; saw: {ended.told or 'it goes on'}")
            details.append(f"told {ended.told}")
        return f"the database server ended {ended.count} sessions ({ended.told})"
