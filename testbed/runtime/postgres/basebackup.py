"""A base backup: a copy of the running database, taken over the virtual IP (C2, C5)."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

from testbed.errors import ServiceError
from testbed.runtime.child import spawn
from testbed.runtime.postgres import server, sql

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.facility.address import Address
    from testbed.runtime.credentials import Login
    from testbed.runtime.postgres.programs import Programs

WITHIN_S = 120.0
STANDBY = "standby.signal"  # a file in a copy, with which its server follows the database


async def take(programs: Programs, source: Address, login: Login, target: Path, log: Path, slot: str | None = None) -> None:
    """Copy the database at `source` to the directory `target`, which exists once the copy is complete and a server can start on it.

    `login`: of a role that may replicate, with a file that the user who runs PostgreSQL can read. `slot`: the replication slot
    at whose position in the log the copy begins, for a standby that will follow. Raises ServiceError with the last lines of the program
    when the copy fails.
    """
    partial = target.with_name(f"{target.name}.new")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    if programs.owner:
        os.chown(partial, programs.owner.uid, programs.owner.gid)
    command = [
        *(programs.path("pg_basebackup"), "--dbname", sql.conninfo(source, login, programs.major), "--pgdata", str(partial)),
        *("--checkpoint", "fast", "--wal-method", "stream", "--no-password"),
        *(("--slot", slot) if slot else ()),
    ]
    child = spawn("pg_basebackup", command, log, owner=programs.owner)
    if not await child.wait_exit(WITHIN_S):
        await child.end(signal.SIGTERM, server.STOP_WITHIN_S)
        raise ServiceError(f"the base backup was not complete within {WITHIN_S:.0f} s:\n{child.last_lines()}")
    if child.process.poll() != 0:
        raise ServiceError(f"the base backup failed with {child.ending}:\n{child.last_lines()}")
    partial.rename(target)
