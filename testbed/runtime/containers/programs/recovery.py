"""The recovery standby: a copy of the database that follows the virtual IP, and so continues after a switchover (C2, C5)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, LiteralString

from testbed.errors import ServiceError
from testbed.runtime.postgres import basebackup, sql
from testbed.runtime.run_directory import write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from testbed.facility.address import Address
    from testbed.runtime.credentials import Login
    from testbed.runtime.postgres.array import Array
    from testbed.runtime.postgres.programs import Programs

SLOT = "dr"
AGAIN_AFTER_S = 0.25
SLOT_WITHIN_S = 10.0
MAKE_SLOT: LiteralString = """
SELECT pg_create_physical_replication_slot(%(slot)s, true)
WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %(slot)s)
"""


def settings(programs: Programs, primary: Address, login: Login) -> Mapping[str, str]:
    """Return PostgreSQL's settings for a standby, run by these programs, of the database at `primary`."""
    return {
        "primary_conninfo": f"{sql.conninfo(primary, login, programs.major)} application_name={SLOT}",
        "primary_slot_name": SLOT,
        "wal_retrieve_retry_interval": "250ms",  # its default of 5 s would be most of what a switchover costs the standby
    }


async def follow(programs: Programs, array: Array, primary: Address, login: Login, log: Path, tell: Callable[[str], None]) -> None:
    """Make the standby's data, where there is none yet, from the database at `primary`; tries until that succeeds.

    A replication slot is made first, so that no log is lost between the copy and the following.
    """
    written = ""
    while not array.data.is_dir():
        try:
            await sql.execute(primary, login, MAKE_SLOT, SLOT_WITHIN_S, {"slot": SLOT})
            array.root.mkdir(parents=True, exist_ok=True)
            await basebackup.take(programs, primary, login, array.data, log, SLOT)
        except ServiceError as error:
            if str(error) != written:
                tell(f"no base backup from {primary} yet: {error}")
            written = str(error)
            await asyncio.sleep(AGAIN_AFTER_S)
    write_private(array.data / basebackup.STANDBY, "", programs.owner)
