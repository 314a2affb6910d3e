"""The off-site backups of the containers runtime: taken over the virtual IP, verified, on a volume of their own (C2).

python -m testbed.runtime.containers.programs.offsite take     take one and print it
python -m testbed.runtime.containers.programs.offsite list     print the backups, the oldest first
python -m testbed.runtime.containers.programs.offsite read X   restore backup X to a separate server, and print all of its rows

A backup is a directory named for the time it was taken, and printed as a line of JSON: `backup`, `size_bytes`, and if it
was just taken `took_s`; if it was read `backup`, `took_s` and `tables`, the rows of each as strings of JSON.
Settings from the environment: OFFSITE_DIRECTORY, OFFSITE_VIRTUAL_IP (`host:port`) and OFFSITE_CREDENTIALS (the passwords' directory).
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from testbed.errors import ServiceError, TestbedError
from testbed.facility.address import Address
from testbed.runtime.containers.services import CREDENTIALS
from testbed.runtime.credentials import ADMINISTRATOR, Credentials
from testbed.runtime.postgres import basebackup, prepared, sql
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.programs import Programs, find_programs
from testbed.runtime.postgres.server import STOP_WITHIN_S, start_server
from testbed.runtime.run_directory import PASSABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.runtime.credentials import Login
    from testbed.runtime.postgres.sql import Tables

RESTORED_ON = "beside"  # the host on which a restored backup is mounted
RESTORED_CONNECTIONS = 10
READ_WITHIN_S = 30.0
DIRECTORY = "/backups"
VIRTUAL_IP = "virtual-ip:5432"


def _login() -> Login:
    return Credentials(Path(os.environ.get("OFFSITE_CREDENTIALS", CREDENTIALS))).login(ADMINISTRATOR)


def take(directory: Path, source: Address) -> Path:
    """Take a backup, verify it against its own manifest, and return it; raises ServiceError when either fails."""
    programs = find_programs(os.environ.get("TESTBED_POSTGRES"), directory)
    target = directory / datetime.datetime.now(tz=datetime.UTC).strftime("%Y%m%d-%H%M%S-%f")
    asyncio.run(basebackup.take(programs, source, _login(), target, directory / "offsite.log"))
    verified = subprocess.run([programs.path("pg_verifybackup"), str(target)], capture_output=True, text=True, check=False)
    if verified.returncode != 0:
        raise ServiceError(f"the backup {target.name} does not match its manifest:\n{verified.stderr.strip()[-1000:]}")
    return target


def read(directory: Path, name: str) -> Tables:
    """Restore a backup to a separate server that nothing else can reach, and return all of its rows.

    The copy is removed. Raises TestbedError when there is no such backup, or no server starts on it.
    """
    backups = {backup.name: backup for backup in taken(directory)}
    if name not in backups:
        raise ServiceError(f"there is no backup {name!r}; there are {', '.join(backups) or 'none'}")
    programs = find_programs(os.environ.get("TESTBED_POSTGRES"), directory)
    with TemporaryDirectory(prefix="restored-") as place:
        root = Path(place)
        root.chmod(PASSABLE)  # the server runs as another user, who has to enter it
        array = prepared.copy_array(programs, backups[name], root)
        array.mount(RESTORED_ON)
        return asyncio.run(_read(programs, array, root / "server.log"))


async def _read(programs: Programs, array: Array, log: Path) -> Tables:
    server = await start_server(programs, array, RESTORED_ON, RESTORED_CONNECTIONS, log)
    try:
        return await sql.read(server.address, _login(), READ_WITHIN_S)
    finally:
        await server.child.end(signal.SIGQUIT, STOP_WITHIN_S)


def taken(directory: Path) -> list[Path]:
    """Return the complete backups, the oldest first."""
    return sorted(manifest.parent for manifest in directory.glob("*/backup_manifest") if not manifest.parent.name.endswith(".new"))


def _record(backup: Path) -> dict[str, object]:
    size_bytes = sum(file.stat().st_size for file in backup.rglob("*") if file.is_file())
    return {"backup": backup.name, "size_bytes": size_bytes}


NICENESS = 10  # a backup has time, and passengers have not


def main(arguments: Sequence[str]) -> int:
    """Run a command; return exit code 2 for wrong usage, 3 for a backup that cannot be taken or read."""
    directory = Path(os.environ.get("OFFSITE_DIRECTORY", DIRECTORY))
    started = time.monotonic()
    os.nice(NICENESS)
    try:
        match tuple(arguments):
            case ("list",):
                records = [_record(backup) for backup in taken(directory)]
            case ("take",):
                records = [_record(take(directory, Address.parse(os.environ.get("OFFSITE_VIRTUAL_IP", VIRTUAL_IP))))]
            case ("read", name):
                records = [{"backup": name, "tables": read(directory, name)}]
            case _:
                sys.stderr.write("usage: python -m testbed.runtime.containers.programs.offsite take | list | read BACKUP\n")
                return 2
    except TestbedError as error:
        sys.stderr.write(f"off-site: {error}\n")
        return error.exit_code
    took = {} if tuple(arguments) == ("list",) else {"took_s": round(time.monotonic() - started, 3)}
    for record in records:
        sys.stdout.write(json.dumps({**record, **took}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
