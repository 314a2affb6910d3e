"""The planned switchover of the database, by the book (C4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.replay.switchover import switch_over

if TYPE_CHECKING:
    from testbed.replay.actions import Actions


@dataclass(frozen=True, slots=True)
class Switchover:
    """The database moves to the other host in five steps, none of which fails: the fault lies in what is left behind (O1)."""

    async def inject(self, actions: Actions) -> str:
        """Run the five steps of C4 in order; a second switchover that is due meanwhile begins after the first."""
        return await switch_over(actions)
