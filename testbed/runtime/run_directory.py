"""Directories of running testbeds: one for each, locked while its owner lives, removed by it or by whoever runs next.

A run that was killed cannot clean up. The kernel has freed its lock, so the next run can tell the dead from the
living: it takes what nobody holds, ends the processes named there that are still there (where the kernel does not end
children with their parent), removes the proxies named there from a Toxiproxy that is not ours and lives on, and
removes the directory. Two runs at once never touch each other.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import FacilityError, ProxyError
from testbed.facility.address import Address
from testbed.runtime import shared_memory, user_home
from testbed.runtime.toxiproxy import FaultProxyClient

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = "owner.lock"
PIDS = "pids"
PROXIES = "proxies"
MEMORY = Path("/dev/shm")  # noqa: S108 - the run directory in it is made by mkdtemp
MEMORY_FREE_BYTES = 1 << 30
NEEDED_BYTES = 120_000_000  # three arrays: the prepared one, and a copy for this replay and the next
BORN, NEWBORN = "run-", "new-"
NEWBORN_AT_MOST_S = 60.0
REMOVED_WITHIN_S = 5.0
POLL_S = 0.01
SPACE = "set TMPDIR to a directory with 150 MB of space"


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A directory that is ours until `remove`; `lock_fd` holds the lock that says so."""

    path: Path
    lock_fd: int

    def note_pid(self, pid: int) -> None:
        """Write down a process of this run, with the time it started, for whoever has to clean up after us."""
        self._note(PIDS, f"{pid} {_started(pid)}")

    def note_proxy(self, toxiproxy: Address, name: str) -> None:
        """Write down a proxy that this run makes at a Toxiproxy which outlives it."""
        self._note(PROXIES, f"{toxiproxy} {name}")

    def _note(self, file: str, line: str) -> None:
        try:
            with (self.path / file).open("a") as notes:
                notes.write(f"{line}\n")
        except OSError as error:
            raise FacilityError(f"{self.path / file} cannot be written: {error.strerror}; {SPACE}") from error

    def remove(self) -> None:
        """Remove the directory and all in it, and let go of the lock; and remove the home, where this was the last in it.

        Call it in a thread where there is an event loop: it may have to wait for processes that were just killed.
        """
        _wait_removed(self.path)
        with suppress(OSError):
            self.path.parent.rmdir()
        os.close(self.lock_fd)


def home() -> Path:
    """Give the directory that holds this user's run directories; TMPDIR moves it."""
    return user_home.below(os.environ.get("TMPDIR") or _temporary())


def _temporary() -> Path:
    """Give where temporary files go: memory where there is enough, because the array is copied for every replay."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        free = os.statvfs(MEMORY)
        if free.f_bavail * free.f_frsize > MEMORY_FREE_BYTES:
            return MEMORY
    return _on_disk()


def _on_disk() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        raise FacilityError(f"no directory for temporary files can be written; {SPACE}") from error


def _homes() -> tuple[Path, ...]:
    """Give every place where an earlier run may have been: whether it was memory or not depends on what was free."""
    return (home(),) if os.environ.get("TMPDIR") else (user_home.below(MEMORY), user_home.below(_on_disk()))


def make_directory(path: Path) -> None:
    """Make a directory, and those above it, that every user can walk into whatever our umask: PostgreSQL may run as another."""
    for one in reversed([one for one in (path, *path.parents) if not one.exists()]):
        one.mkdir(exist_ok=True)
        one.chmod(0o755)


def create_run_directory() -> RunDirectory:
    """Make a run directory; raises FacilityError naming the place when there is no space or no permission."""
    place = home()
    try:
        newborn = _newborn(place)
        lock_fd = os.open(newborn / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock_fd, fcntl.LOCK_EX)
        path = newborn.rename(newborn.with_name(BORN + newborn.name.removeprefix(NEWBORN)))  # a sweep sees it only when locked
    except OSError as error:
        raise FacilityError(
            f"no run directory can be made in {place}: {error.strerror}; set TMPDIR to a directory with space and permission"
        ) from error
    return RunDirectory(path, lock_fd)


def _newborn(place: Path) -> Path:
    """Make the directory, still without a lock."""
    while True:
        user_home.make(place)
        try:
            place.chmod(0o755)
            newborn = Path(tempfile.mkdtemp(prefix=NEWBORN, dir=place))
        except FileNotFoundError:
            continue  # another run was the last to end there, and has removed it
        newborn.chmod(0o755)
        return newborn


def require_space(directory: Path) -> None:
    """Raise FacilityError when there is too little space for a replay: PostgreSQL would find out in the middle of it."""
    disk = os.statvfs(directory)
    free = disk.f_bavail * disk.f_frsize
    if disk.f_blocks and free < NEEDED_BYTES:
        raise FacilityError(f"{directory.parent} has {free / 1e6:.0f} MB free, and a replay needs {NEEDED_BYTES / 1e6:.0f} MB; {SPACE}")


def sweep() -> tuple[Path, ...]:
    """Clean up after runs that were killed; gives the directories removed."""
    return tuple(removed for place in _homes() if user_home.is_ours(place) for removed in _sweep(place))


def _sweep(place: Path) -> list[Path]:
    for path in place.glob(f"{NEWBORN}*"):  # killed in the microseconds before its lock
        with suppress(FileNotFoundError):  # or just locked, and renamed
            if time.time() - path.stat().st_mtime > NEWBORN_AT_MOST_S:
                shutil.rmtree(path, ignore_errors=True)
    removed = []
    for path in sorted(place.glob(f"{BORN}*")):
        try:
            lock_fd = os.open(path / LOCK, os.O_RDWR)
        except OSError:  # being removed by another sweep or its owner, who may have been killed at the very end of it
            with suppress(OSError):
                path.rmdir()
            continue
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # its owner lives
        else:
            if path.exists():
                _end_remains(path)
                _wait_removed(path)
                removed.append(path)
        finally:
            os.close(lock_fd)
    return removed


def is_owned(path: str | Path) -> bool:
    """Tell whether a run directory is there and its owner lives."""
    try:
        lock_fd = os.open(Path(path) / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock_fd)
    return False


def _end_remains(path: Path) -> None:
    """Kill what a dead run left running, each checked by its start time so that a reused process id is left alone.

    And whatever holds an array's lock open: only processes of its servers do, and one that was paused does not end with the others.
    """
    noted = [line.partition(" ") for line in _lines(path / PIDS)]
    left = {int(pid) for pid, _, started in noted if pid.isdecimal() and started and _started(int(pid)) == started}
    for pid in left | set(_holders(path)):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    for line in _lines(path / PROXIES):
        address, _, name = line.partition(" ")
        with suppress(ProxyError, ValueError):  # gone with its Toxiproxy
            toxiproxy = Address.parse(address)
            FaultProxyClient(toxiproxy.host, toxiproxy.port).delete(name)
    for postmaster in path.glob("**/array/postmaster.pid"):
        shared_memory.remove_segment_of(postmaster)


def _holders(path: Path) -> Iterator[int]:
    """Find the processes that hold a lock of an array of this run open, where there is a /proc."""
    locks = set(path.glob("**/array.lock"))
    for fd in Path("/proc").glob("[0-9]*/fd/*") if locks else ():
        with suppress(OSError):  # gone meanwhile, or somebody else's
            if fd.readlink() in locks:
                yield int(fd.parts[2])


def _wait_removed(path: Path) -> None:
    """Remove a run directory, the lock last: as long as anything is left, a later sweep can tell that it is dead.

    A process that was just killed may still write; so it is tried again for a while. What is left then is for a later sweep.
    """
    deadline = time.monotonic() + REMOVED_WITHIN_S
    while True:
        for one in _entries(path):
            shutil.rmtree(one, ignore_errors=True)
            with suppress(OSError):
                one.unlink()
        if not _entries(path):
            with suppress(OSError):
                (path / LOCK).unlink()
                path.rmdir()
            return
        if time.monotonic() > deadline:
            return
        time.sleep(POLL_S)


def _entries(path: Path) -> list[Path]:
    """Give all that is in a run directory but its lock."""
    try:
        return [one for one in path.iterdir() if one.name != LOCK]
    except OSError:
        return []


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _started(pid: int) -> str:
    """Give when a process started: in clock ticks since boot, or as `ps` tells it; empty when it is gone."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "" if Path("/proc/self/stat").exists() else _started_by_ps(pid)
    return status.rpartition(")")[2].split()[19]  # field 22 of proc(5), counted after the command's closing bracket


def _started_by_ps(pid: int) -> str:
    """Ask where there is no /proc, as on macOS."""
    try:
        return subprocess.run(["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
