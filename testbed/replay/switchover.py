"""The five steps of a switchover (C4), whoever orders it: an operator, or the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.facility.database import StopMode
    from testbed.replay.actions import Actions

WORD = "switchover"
STOP, UNMOUNT, MOUNT, START, POINT = STEPS = (1, 2, 3, 4, 5)  # the numbers of its steps; the text of each ends with the name of a host


async def switch_over(actions: Actions, mode: StopMode = "fast", patience_s: float = 0.0) -> str:
    """Move the database to the other host; return a line that says where it runs. A second one that is due meanwhile begins after it.

    `mode` and `patience_s`: how its server is stopped (`Database.stop_server`). Meanwhile the cluster does not watch the heartbeats;
    afterwards it watches those of the other host.
    """
    facility = actions.facility
    database = facility.database
    async with actions.alone_on("database"), facility.cluster.moving():
        old, new = database.active, database.standby
        async with actions.step(STOP, f"stop the database server on {old}") as details:
            if beside := await database.stop_server(mode, patience_s):
                details.append(beside)
        async with actions.step(UNMOUNT, f"unmount the array on {old}"):
            await database.unmount(old)
        async with actions.step(MOUNT, f"mount the array on {new}"):
            await database.mount(new)
        async with actions.step(START, f"start the database server on {new}"):
            address = await database.start_server(new)
        async with actions.step(POINT, f"give the virtual IP to {new}"):
            await facility.virtual_ip.point(address)
    return f"the database runs on {new}"
