"""The database pair of the processes runtime: two hosts, one array, one server at a time (C2, C4)."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.runtime import postgres, rundir, sysv
from testbed.runtime.array import DATA, Array
from testbed.runtime.child import python, spawn
from testbed.runtime.tables import FlightsInPostgres, conninfo
from testbed.topology import HOSTS

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.facility import FlightsTable
    from testbed.runtime import Address
    from testbed.runtime.postgres import Programs, Server
    from testbed.runtime.rundir import RunDirectory

LOAD_MODULE = "flight_search.seed_data"
LOAD_WITHIN_S = 60.0


@dataclass(slots=True)
class DatabasePair:
    """`db-1` and `db-2` over one array. `active` is the host whose server runs, or ran last."""

    run: RunDirectory
    programs: Programs
    array: Array
    logs: Path
    max_connections: int
    active: str = HOSTS[0]
    server: Server | None = None
    flights: FlightsTable = field(default_factory=FlightsInPostgres)

    @property
    def standby(self) -> str:
        """The host that could take over."""
        return next(host for host in HOSTS if host != self.active)

    async def mount(self, host: str) -> None:
        """Mount the array on a host; raises ArrayError when another has it."""
        self.array.mount(host)

    async def unmount(self, host: str) -> None:
        """Take the array from a host; raises ArrayError when a server still runs on it."""
        self.array.unmount(host)

    async def start_server(self, host: str) -> Address:
        """Start the server of a host on the array mounted there and give its own address, when it accepts connections."""
        self.server = await postgres.start(self.programs, self.array, host, self.max_connections, self.logs / f"{host}.log")
        self.active = host
        self.run.note_pid(self.server.child.process.pid)
        return self.server.address

    async def stop_server(self) -> None:
        """Stop the server by the book."""
        if self.server is None:
            raise FacilityError(f"no database server runs on {self.active}")
        server, self.server = self.server, None
        await server.stop()

    async def throw_away(self) -> None:
        """End the server at once: its data is not wanted any more.

        Where it was killed, its last processes are waited for, and the memory that it could not give back is given back.
        """
        if self.server is not None:
            server, self.server = self.server, None
            await server.child.end(signal.SIGQUIT, postgres.STOP_WITHIN_S)
        await self.array.wait_free(postgres.STOP_WITHIN_S)
        sysv.remove_segment_of(self.array.data / "postmaster.pid")


async def prepare(run: RunDirectory, programs: Programs) -> Path:
    """Make an array with the real week in it, once in a run, and give its data directory for `copy`.

    Raises ServiceError with the last lines of the program that failed.
    """
    array = Array(run.path / "prepared")
    await postgres.initialise(programs, array, run.path / "initdb.log")
    pair = DatabasePair(run, programs, array, run.path, max_connections=10)
    await pair.mount(HOSTS[0])
    try:
        address = await pair.start_server(HOSTS[0])
        load = spawn("load", python(LOAD_MODULE, conninfo(address)), run.path / "load.log")
        await load.wait_done(LOAD_WITHIN_S)
        await pair.stop_server()
    except BaseException:
        await pair.throw_away()
        raise
    return array.data


def copy(programs: Programs, prepared: Path, root: Path) -> Array:
    """Copy a prepared array to `root`, where it appears when it is complete; raises FacilityError when there is no space for it."""
    array = Array(root)
    growing = root / f"{DATA}.new"
    try:
        rundir.make(root)
        shutil.rmtree(growing, ignore_errors=True)
        shutil.copytree(prepared, growing)
        growing.chmod(0o700)  # PostgreSQL insists, and not everything that brought `prepared` here has kept it
        if programs.owner:
            for directory, _, files in os.walk(growing):
                for name in (directory, *(os.path.join(directory, file) for file in files)):  # noqa: PTH118 - 1,000 files
                    os.chown(name, programs.owner.uid, programs.owner.gid)
        growing.rename(array.data)
    except OSError as error:  # of which shutil.Error is one
        raise FacilityError(f"the array cannot be made in {root / DATA}: {postgres.copy_failure(error)}; {rundir.SPACE}") from error
    return array
