"""A standby of a running server, on loopback: it follows, is read from, and accepts no write."""

from __future__ import annotations

import shutil
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.concurrency import shield
from testbed.runtime import run_directory
from testbed.runtime.credentials import Login
from testbed.runtime.postgres import basebackup, sql
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.server import STOP_WITHIN_S, start_server

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.facility.address import Address
    from testbed.runtime.postgres.held_ports import HeldPorts
    from testbed.runtime.postgres.programs import Programs
    from testbed.runtime.postgres.server import Server

HOST = "standby"


@dataclass(slots=True)
class Standby:
    """A server on a copy of its own, in a directory that goes with it."""

    root: Path
    server: Server

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self.server.address

    async def end(self) -> None:
        """End it at once, and remove its data."""
        await shield(self._end())

    async def _end(self) -> None:
        await self.server.child.end(signal.SIGQUIT, STOP_WITHIN_S)
        await Array(self.root).wait_free(STOP_WITHIN_S)
        shutil.rmtree(self.root, ignore_errors=True)


async def start(
    programs: Programs, primary: Address, login: Login, root: Path, max_connections: int, ports: HeldPorts, log: Path
) -> Standby:
    """Copy the database at `primary` to `root`, and start a server there that follows it.

    `login`: of a role that may replicate. `ports`: those of the pair, which keep the standby's, too. Raises ServiceError with the last
    lines of the program that failed.
    """
    array, password = Array(root), login.passfile
    run_directory.make_directory(root)
    try:
        # The programs may run as another user, who cannot read the password of this one.
        login = Login(login.role, root / "pgpass")
        run_directory.write_private(login.passfile, password.read_text(), programs.owner)
        await basebackup.take(programs, primary, login, array.data, log)
        run_directory.write_private(array.data / basebackup.STANDBY, "", programs.owner)
        array.mount(HOST)
        follow = {"primary_conninfo": sql.conninfo(primary, login, programs.major)}
        return Standby(root, await start_server(programs, array, HOST, max_connections, log, settings=follow, ports=ports))
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise
