"""Directories of running testbeds: one for each, locked while its owner lives, removed by it or by whoever runs next.

A run that was killed cannot clean up. The kernel has freed its lock, so the next run can tell the dead from the
living: it takes what nobody holds, ends the processes named there that are still there (where the kernel does not end
children with their parent), and removes the directory. Two runs at once never touch each other.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import FacilityError
from testbed.runtime import sysv

LOCK = "owner.lock"
PIDS = "pids"
MEMORY = Path("/dev/shm")  # noqa: S108 - the run directory in it is made by mkdtemp
MEMORY_FREE_BYTES = 1 << 30
NEWBORN = "new-"
NEWBORN_AT_MOST_S = 60.0


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A directory that is ours until `remove`; `lock_fd` holds the lock that says so."""

    path: Path
    lock_fd: int

    def note_pid(self, pid: int) -> None:
        """Write down a process of this run, with the time it started, for whoever has to clean up after us."""
        with (self.path / PIDS).open("a") as pids:
            pids.write(f"{pid} {_started(pid)}\n")

    def remove(self) -> None:
        """Remove the directory and all in it, and let go of the lock."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock_fd)


def home() -> Path:
    """Give the directory that holds this user's run directories; TMPDIR moves it."""
    return Path(_temporary()) / f"testbed-{getpass.getuser()}"


def _temporary() -> str:
    """Give where temporary files go: memory where there is enough, because the array is copied for every replay."""
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        free = os.statvfs(MEMORY)
        # In containers it is often mounted `noexec`, and as root PostgreSQL's programs have to lie in the run directory.
        if free.f_bavail * free.f_frsize > MEMORY_FREE_BYTES and not free.f_flag & os.ST_NOEXEC:
            return str(MEMORY)
    return tempfile.gettempdir()


def create() -> RunDirectory:
    """Make a run directory; raises FacilityError naming the place when there is no space or no permission."""
    if os.geteuid() == 0:
        os.umask(0o022)  # PostgreSQL runs as another user then, who must be able to walk into what is made here
    try:
        home().mkdir(mode=0o755, exist_ok=True)
        if home().stat().st_uid != os.getuid():
            raise FacilityError(f"{home()} belongs to another user; set TMPDIR to a directory of your own")
        newborn = Path(tempfile.mkdtemp(prefix=NEWBORN, dir=home()))
        newborn.chmod(0o755)  # which mkdtemp makes private
        lock_fd = os.open(newborn / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock_fd, fcntl.LOCK_EX)
        path = newborn.rename(newborn.with_name(newborn.name.replace(NEWBORN, "run-")))  # a sweep sees it only when locked
    except OSError as error:
        raise FacilityError(
            f"no run directory can be made in {home()}: {error.strerror}; set TMPDIR to a directory with space and permission"
        ) from error
    return RunDirectory(path, lock_fd)


def sweep() -> tuple[Path, ...]:
    """Clean up after runs that were killed; gives the directories removed."""
    if not home().is_dir():
        return ()
    removed = []
    for path in home().glob(f"{NEWBORN}*"):  # killed in the microseconds before its lock
        if time.time() - path.stat().st_mtime > NEWBORN_AT_MOST_S:
            shutil.rmtree(path, ignore_errors=True)
    for path in sorted(home().glob("run-*")):
        try:
            lock_fd = os.open(path / LOCK, os.O_RDWR)
        except FileNotFoundError:
            continue  # removed by another sweep
        except OSError:
            continue  # not ours
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # its owner lives
        else:
            _end_remains(path)
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path)
        finally:
            os.close(lock_fd)
    return tuple(removed)


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
    """Kill what a dead run left running, each checked by its start time so that a reused process id is left alone."""
    try:
        lines = (path / PIDS).read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        pid, _, started = line.partition(" ")
        if pid.isdecimal() and started and _started(int(pid)) == started:
            os.kill(int(pid), signal.SIGKILL)
    for postmaster in path.glob("*/array/postmaster.pid"):
        sysv.remove_segment_of(postmaster)


def _started(pid: int) -> str:
    """Give the kernel's start time of a process, in clock ticks since boot; empty when it is gone or cannot be known."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]  # field 22 of proc(5), counted after the command's closing bracket
