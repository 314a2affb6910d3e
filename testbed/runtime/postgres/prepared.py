"""An array with the real week in it, made once and copied for each facility."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, LiteralString

from testbed.errors import FacilityError
from testbed.plan.topology import HOSTS
from testbed.runtime import run_directory
from testbed.runtime.child import python, spawn
from testbed.runtime.credentials import ADMINISTRATOR, SERVICES
from testbed.runtime.postgres import sql
from testbed.runtime.postgres.array import DATA, Array
from testbed.runtime.postgres.pair import DatabasePair
from testbed.runtime.postgres.programs import copy_failure
from testbed.runtime.postgres.server import initialise

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.runtime.credentials import Credentials
    from testbed.runtime.postgres.programs import Programs
    from testbed.runtime.run_directory import RunDirectory


LOAD_MODULE = "flight_search.seed_data"
LOAD_WITHIN_S = 60.0
# While the data are loaded the services' role may make tables; afterwards nobody but the administrator may.
PERMIT: LiteralString = "GRANT CREATE ON SCHEMA public TO flights"
FORBID: LiteralString = "REVOKE CREATE ON SCHEMA public FROM flights, PUBLIC"


async def prepare_array(run: RunDirectory, programs: Programs, credentials: Credentials) -> Path:
    """Make an array with the real week in it, once in a run; return its data directory, for `copy_array`.

    Raises ServiceError with the last lines of the program that failed.
    """
    array = Array(run.path / "prepared")
    await initialise(programs, array, credentials, run.path / "initdb.log")
    pair = DatabasePair(run, programs, array, run.path, max_connections=10, credentials=credentials)
    await pair.mount(HOSTS[0])
    try:
        address = await pair.start_server(HOSTS[0])
        administrator = credentials.login(ADMINISTRATOR)
        await sql.execute(address, administrator, PERMIT, LOAD_WITHIN_S)
        load = spawn("load", python(LOAD_MODULE, sql.conninfo(address, credentials.login(SERVICES))), run.path / "load.log")
        await load.wait_done(LOAD_WITHIN_S)
        await sql.execute(address, administrator, FORBID, LOAD_WITHIN_S)
        await pair.stop_server()
    finally:
        await pair.throw_away()
    return array.data


def copy_array(programs: Programs, prepared: Path, root: Path) -> Array:
    """Copy a prepared array to `root`, where it exists once it is complete; raises FacilityError when there is no space for it."""
    array = Array(root)
    closed = root / f"{DATA}.new"  # nobody else may enter it: until a file has its mode, everybody may read it
    partial = closed / DATA
    try:
        run_directory.make_directory(root)
        shutil.rmtree(closed, ignore_errors=True)
        closed.mkdir(mode=0o700)
        shutil.copytree(prepared, partial)
        partial.chmod(0o700)  # PostgreSQL requires it, and `prepared` may have lost it on its way here
        if programs.owner:
            for directory, _, files in os.walk(partial):
                for name in (directory, *(os.path.join(directory, file) for file in files)):  # noqa: PTH118 - 1,000 files
                    os.chown(name, programs.owner.uid, programs.owner.gid)
        partial.rename(array.data)
        closed.rmdir()
    except OSError as error:  # also shutil.Error
        raise FacilityError(f"the array cannot be made in {root / DATA}: {copy_failure(error)}; {run_directory.SPACE}") from error
    return array
