"""The planned switchover of the database, by the book (C4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.replay.actions import Actions


@dataclass(frozen=True, slots=True)
class Switchover:
    """The database moves to the other host in five steps, none of which fails: the fault lies in what is left behind (O1)."""

    async def inject(self, actions: Actions) -> str:
        """Run the five steps of C4 in order; a second switchover that is due meanwhile begins after the first."""
        facility = actions.facility
        database = facility.database
        async with actions.alone_on("database"):
            old, new = database.active, database.standby
            async with actions.step(1, f"stop the database server on {old}"):
                await database.stop_server()
            async with actions.step(2, f"unmount the array on {old}"):
                await database.unmount(old)
            async with actions.step(3, f"mount the array on {new}"):
                await database.mount(new)
            async with actions.step(4, f"start the database server on {new}"):
                address = await database.start_server(new)
            async with actions.step(5, f"give the virtual IP to {new}"):
                await facility.virtual_ip.point(address)
        return f"the database runs on {new}"
