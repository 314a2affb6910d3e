"""The recovery standby: a copy of the database elsewhere, which follows the virtual IP and so goes on after a switchover (C2, C5)."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import psycopg

from testbed.errors import ServiceError
from testbed.runtime.postgres import basebackup, sql

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from testbed.facility.address import Address
    from testbed.runtime.postgres.array import Array
    from testbed.runtime.postgres.programs import Programs

SLOT = "dr"
AGAIN_AFTER_S = 0.25
MAKE_SLOT = """
SELECT pg_create_physical_replication_slot(%(slot)s, true)
WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %(slot)s)
"""


def settings(primary: Address) -> Mapping[str, str]:
    """Give PostgreSQL's settings for a standby of the database at `primary`."""
    return {
        "primary_conninfo": f"{sql.conninfo(primary)} application_name={SLOT}",
        "primary_slot_name": SLOT,
        "wal_retrieve_retry_interval": "250ms",  # its default of 5 s would be most of what a switchover costs the standby
    }


async def follow(programs: Programs, array: Array, primary: Address, log: Path, tell: Callable[[str], None]) -> None:
    """Make the standby's data, where there is none yet, from the database at `primary`; tries until there is one that gives it.

    The place in the log is kept for us first (a replication slot), so that nothing is lost between the copy and the following.
    """
    said = ""
    while not array.data.is_dir():
        try:
            async with await psycopg.AsyncConnection.connect(sql.conninfo(primary), autocommit=True) as connection:
                await connection.execute(MAKE_SLOT, {"slot": SLOT})
            array.root.mkdir(parents=True, exist_ok=True)
            await basebackup.take(programs, primary, array.data, log, SLOT)
        except (psycopg.Error, ServiceError) as error:
            if str(error) != said:
                tell(f"no base backup from {primary} yet: {error}")
            said = str(error)
            await asyncio.sleep(AGAIN_AFTER_S)
    signal_file = array.data / "standby.signal"
    signal_file.touch(mode=0o600)
    if programs.owner:
        os.chown(signal_file, programs.owner.uid, programs.owner.gid)
