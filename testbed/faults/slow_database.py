"""The database lives and does not get on: a table is locked (S9)."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, LiteralString

from testbed.errors import FacilityError, ServiceError
from testbed.runtime import tables

if TYPE_CHECKING:
    from testbed.act import Actions

WORD = "slow_database"
LOCK: LiteralString = "LOCK TABLE flights IN ACCESS EXCLUSIVE MODE"
ALIVE: LiteralString = "SELECT 1"
COUNT: LiteralString = "SELECT count(*) FROM flights"
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
        """Take the lock, and see that the database answers, and does not when it is asked for a flight."""
        address, stack = actions.facility.virtual_ip.address, AsyncExitStack()
        actions.facility.held[WORD] = stack
        async with actions.step(1, "lock the table of flights"):
            await stack.enter_async_context(await tables.hold(address, LOCK, WITHIN_S))
        async with actions.step(2, f"see that the database answers, and tells of no flight within {LOOK_S:.1f} s"):
            await tables.ask(address, ALIVE, {}, WITHIN_S)
            try:
                (count,) = await tables.ask(address, COUNT, {}, LOOK_S)
            except ServiceError:
                return "the table of flights is locked"
            raise FacilityError(f"the table of flights was to be locked, and {count} flights were counted")

    async def heal(self, actions: Actions) -> str:
        """Let the lock go, and see that flights are told of again."""
        async with actions.step(1, "let the table of flights go"):
            stack = actions.facility.held.pop(WORD, None)
            if stack is not None:
                await stack.aclose()
        async with actions.step(2, "see that the database tells of flights"):
            (count,) = await tables.ask(actions.facility.virtual_ip.address, COUNT, {}, WITHIN_S)
        return f"the table of flights is free, with {count} flights"
