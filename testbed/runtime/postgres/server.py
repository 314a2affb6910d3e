"""A PostgreSQL server: makes its data directory, starts it on the array, and stops it."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from testbed.concurrency import shield, wait_until
from testbed.errors import FacilityError, ServiceError, WaitError
from testbed.facility.address import Address
from testbed.runtime import shared_memory
from testbed.runtime.child import Child, spawn
from testbed.runtime.credentials import ADMINISTRATOR
from testbed.runtime.postgres import roles
from testbed.runtime.postgres.held_ports import HeldPorts
from testbed.runtime.postgres.programs import setting_words
from testbed.runtime.run_directory import SPACE, make_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.facility.database import StopMode
    from testbed.runtime.credentials import Credentials
    from testbed.runtime.postgres.array import Array
    from testbed.runtime.postgres.programs import Programs


INITDB_WITHIN_S = 60.0
READY_WITHIN_S = 60.0
CRASHED = "terminating any other active server processes"
STOP_WITHIN_S = 20.0
POLL_S = 0.005
PORT_TRIES = 5
RESERVED = 3  # connections for the administrator alone, beside those that the services may have; PostgreSQL's default
# Further ones that nobody may have who is logged in: whoever can connect takes one until he has said who he is. They are for strangers who
# never do, and whom PostgreSQL gives up after `LOGIN_WITHIN_S`: as long as clients of ours wait themselves (`connect_timeout`).
SPARE = 100
LOGIN_WITHIN_S = 10
SETTABLE = 16  # the first version whose initdb takes settings
MEMORY = "dynamic_shared_memory_type=mmap"  # below the data directory, where it is removed with everything else
READY, STARTING = "ready", "starting"
STATUS_LINE = 8  # of postmaster.pid (PostgreSQL's source, miscadmin.h, LOCK_FILE_LINE_PM_STATUS)


def dead_connection_detection(every_s: int) -> dict[str, str]:
    """Return PostgreSQL's settings by which it probes each connection that is quiet for `every_s` seconds (A8).

    A client that has vanished without a word is given up after three times as long: when neither of two probes was acknowledged.
    """
    return {"tcp_keepalives_idle": str(every_s), "tcp_keepalives_interval": str(every_s), "tcp_keepalives_count": "2"}


async def initialise(programs: Programs, array: Array, credentials: Credentials, log: Path) -> None:
    """Make the data directory of a new array, into which both roles can log in; raises ServiceError with the last lines when that fails."""
    try:
        make_directory(array.root)
        array.data.mkdir(mode=0o700)
        if programs.owner:
            os.chown(array.data, programs.owner.uid, programs.owner.gid)
    except OSError as error:
        raise FacilityError(f"the array cannot be made in {array.data}: {error.strerror}; {SPACE}") from error
    settings = ("--set", MEMORY) if programs.major >= SETTABLE else ()
    lock_fd = array.lock()
    try:
        child = spawn(
            "initdb",
            [
                *(programs.path("initdb"), "--pgdata", str(array.data), "--username", ADMINISTRATOR, "--auth", "reject", *settings),
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
        raise ServiceError(_with_advice(str(error))) from error
    finally:
        await shield(_clean_up(child, array))
    await roles.permit(programs, array, credentials, log)


async def _clean_up(initdb: Child, array: Array) -> None:
    """Wait for the server that initdb feeds: it ends with its input. Remove the shared memory that it leaves if it has crashed."""
    if not await array.wait_free(STOP_WITHIN_S):
        with suppress(ProcessLookupError):
            os.killpg(initdb.process.pid, signal.SIGKILL)
    shared_memory.remove_segment_of(array.data / "postmaster.pid")


@dataclass(frozen=True, slots=True)
class Server:
    """A running database server: its host, the address at which it listens, and its process."""

    host: str
    address: Address
    child: Child

    async def stop(self, mode: StopMode = "fast", patience_s: float = 0.0) -> str:
        """Stop it; return what that had to do beside, or an empty text. Raises ServiceError when it has to be killed.

        `fast`: sessions end, transactions are rolled back, a checkpoint is written. `smart`: the same once its sessions have ended, or
        after `patience_s` seconds. `immediate`: it only ends.
        """
        beside = ""
        if mode == "smart":
            self.child.signal(signal.SIGTERM)
            if await self.child.wait_exit(patience_s):
                return ""
            beside = f"its sessions had not ended after {patience_s:g} s, and were ended"
        if not await self.child.end(signal.SIGQUIT if mode == "immediate" else signal.SIGINT, STOP_WITHIN_S):
            raise ServiceError(f"{self.host} did not stop within {STOP_WITHIN_S:.0f} s and was killed:\n{self.child.last_lines()}")
        return beside

    async def kill(self, array: Array) -> None:
        """Kill it with SIGKILL, and wait until the last of its processes has noticed; raises ServiceError when one does not.

        Its shared memory is removed, which it could not remove itself.
        """
        await self.child.end(signal.SIGKILL, STOP_WITHIN_S)
        if not await array.wait_free(STOP_WITHIN_S):
            raise ServiceError(f"a process of the server on {self.host} still runs {STOP_WITHIN_S:.0f} s after that was killed")
        shared_memory.remove_segment_of(array.data / "postmaster.pid")

    async def wait_ready(self, array: Array) -> None:
        """Wait until it accepts connections; raises ServiceError with its last lines when it ends instead."""
        if not await _wait_status(self.child, array, READY):
            raise ServiceError(f"the database server on {self.host} ended with {self.child.ending}:\n{self.child.last_lines()}")


async def start_server(
    programs: Programs,
    array: Array,
    host: str,
    max_connections: int,
    log: Path,
    *,
    listen: Address | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    ports: HeldPorts | None = None,
    status: str = READY,
) -> Server:
    """Start the server of `host` on the array mounted there and return it when it accepts connections.

    It listens at `listen`, or else at a free port of loopback; when another process takes that port first, another is tried.
    `max_connections`: for the services' role, whose limit is set apart (`DatabasePair.limit_services`, `roles.set_passwords`). `settings`
    are PostgreSQL's, beside those that every server here has. `ports` keep that port when the server has ended; without them, it is
    anybody's then. `status`: what it has to say of itself until it is returned.

    Raises ArrayError when the array is not mounted there or is in use, ServiceError with the server's last lines when it does not start.
    """
    with ExitStack() as stack:
        if ports is None:
            ports = HeldPorts()
            stack.callback(ports.release)
        for _ in range(PORT_TRIES):
            address = listen or ports.find()
            child = _spawn(programs, array, host, log, _configuration(address, max_connections, settings))
            try:
                ready = await _wait_status(child, array, status)
            except BaseException:
                await shield(child.end(signal.SIGQUIT, STOP_WITHIN_S))
                raise
            if ready:
                ports.keep()
                return Server(host, address, child)
            if listen or "could not bind" not in child.last_lines():
                break
    raise ServiceError(_with_advice(f"the database server on {host} ended with {child.ending}:\n{child.last_lines()}"))


def crashed_in(log: str) -> str:
    """Return the line of a server's log that says that it ended every session, because one of its processes ended as none should; or ""."""
    return next((line for line in log.splitlines() if CRASHED in line), "")


def _spawn(programs: Programs, array: Array, host: str, log: Path, configuration: list[str]) -> Child:
    lock_fd = array.acquire(host)
    try:
        # What a killed server left here is void: we have the lock, so none runs. PostgreSQL itself would look for the process that
        # the file names, and on another host may find an unrelated one with that number.
        shared_memory.remove_segment_of(array.data / "postmaster.pid")
        (array.data / "postmaster.pid").unlink(missing_ok=True)
        return spawn(
            host,
            [programs.path("postgres"), "-D", str(array.mount_of(host)), *configuration],
            log,
            owner=programs.owner,
            death_signal=signal.SIGQUIT,  # "immediate": it ends at once and takes its shared memory with it
            lock_fd=lock_fd,
        )
    finally:
        os.close(lock_fd)


def _with_advice(message: str) -> str:
    """Add the next step where PostgreSQL says only what is wrong."""
    return f"{message}\n{SPACE}" if "No space left on device" in message else message


def _configuration(address: Address, max_connections: int, settings: Mapping[str, str]) -> list[str]:
    every = {
        "listen_addresses": address.host,
        "port": str(address.port),
        "max_connections": str(max_connections + RESERVED + SPARE),
        "superuser_reserved_connections": str(RESERVED),
        "authentication_timeout": str(LOGIN_WITHIN_S),
        "unix_socket_directories": "",  # the database is reached by the virtual IP only (C5)
        "shared_buffers": "16MB",
        "autovacuum": "off",  # a replay takes minutes; it would only add noise
        "log_line_prefix": "%m [%p] ",
        **settings,
    }
    return ["-c", MEMORY, *setting_words(every)]


async def _wait_status(child: Child, array: Array, wanted: str) -> bool:
    """Wait until the server writes to its own file that it is ready, or `STARTING`; return False when it ended instead."""

    async def look() -> str | None:
        if child.pid is None:
            return None
        try:
            lines = (array.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            lines = []
        ours = bool(lines) and lines[0] == str(child.process.pid)  # not what a crashed server left
        status = lines[STATUS_LINE - 1].strip() if ours and len(lines) >= STATUS_LINE else "no status yet"
        return None if status in (wanted, READY) else status

    try:
        await wait_until(f"{child.name} was not {wanted}", look, READY_WITHIN_S, every_s=POLL_S)
    except WaitError as error:
        raise ServiceError(f"{error}\n{child.last_lines()}") from error
    return child.pid is not None
