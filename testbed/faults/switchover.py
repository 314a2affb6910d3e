"""The planned switchover of the database, by the book (C4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from testbed.facility.database import StopMode
from testbed.replay.switchover import switch_over

if TYPE_CHECKING:
    from testbed.replay.actions import Actions


@dataclass(frozen=True, slots=True)
class Switchover:
    """The database moves to the other host in five steps, none of which fails: the fault lies in what is left behind (O1).

    `mode`: how the old server is stopped. `fast` ends its sessions, as in the case. `smart` lets nobody in any more and waits for them to
    end; those of a pool never do, so after `patience_s` real seconds they are ended. `immediate` ends it as a crash would, and the new
    server recovers.
    """

    mode: StopMode = "fast"
    patience_s: Annotated[float, Field(gt=0, le=60)] = 2.0

    async def inject(self, actions: Actions) -> str:
        """Run the five steps of C4 in order; a second switchover that is due meanwhile begins after the first."""
        return await switch_over(actions, self.mode, self.patience_s)
