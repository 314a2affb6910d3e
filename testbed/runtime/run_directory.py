"""Run directories: one for each running testbed, locked while it lives, removed by it or, if it was killed, by the next run.

A run that was killed cannot clean up. The kernel has released its lock, so the next run knows that it is dead: it kills
the processes noted there that still run (where the kernel does not end children with their parent), removes the proxies
noted there from a Toxiproxy that is not ours and still runs, and removes the directory. Two runs at once never touch
each other.

Other users may pass through the directories, because PostgreSQL may run as one of them; they can neither list them nor read a log in them.
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

    from testbed.runtime.owner import Owner

LOCK = "owner.lock"
PIDS = "pids"
PROXIES = "proxies"
MEMORY = Path("/dev/shm")  # noqa: S108 - the run directory in it is made by mkdtemp
MEMORY_FREE_BYTES = 1 << 30
ARRAY_BYTES = 40_000_000
LOCKED, UNLOCKED = "run-", "new-"  # the beginning of a directory's name: it has its lock, or not yet
ENDED = ("Z", "X")  # states of proc(5): nothing is left of such a process but its number
UNLOCKED_AT_MOST_S = 60.0
REMOVED_WITHIN_S = 5.0
POLL_S = 0.01
PASSABLE = 0o711
SPACE = "set TMPDIR to a directory with 150 MB of space"


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A directory that is ours until `remove`; `lock_fd` is the open file that holds its lock."""

    path: Path
    lock_fd: int

    def note_pid(self, pid: int) -> None:
        """Write down a process of this run, with the time it started, for the run that may have to clean up after us."""
        self._note(PIDS, f"{pid} {started(pid)}")

    def note_proxy(self, toxiproxy: Address, name: str) -> None:
        """Write down a proxy that this run makes at a Toxiproxy that outlives it."""
        self._note(PROXIES, f"{toxiproxy} {name}")

    def _note(self, file: str, line: str) -> None:
        try:
            with os.fdopen(os.open(self.path / file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as notes:
                notes.write(f"{line}\n")
        except OSError as error:
            raise FacilityError(f"{self.path / file} cannot be written: {error.strerror}; {SPACE}") from error

    def remove(self) -> None:
        """Remove the directory and all in it, release the lock, and remove the home if this was the last in it.

        It blocks, for up to 5 s while processes that were just killed end: where there is an event loop, call it in a thread.
        """
        _wait_removed(self.path)
        with suppress(OSError):
            self.path.parent.rmdir()
        os.close(self.lock_fd)


@dataclass(frozen=True, slots=True)
class Remains:
    """What a killed run had left and a sweep removed: its directory, the processes that still ran, and the segments of shared memory."""

    path: Path
    processes: int
    segments: int


def home() -> Path:
    """Return the directory that holds this user's run directories; TMPDIR moves it."""
    return user_home.below(os.environ.get("TMPDIR") or _temporary())


def _temporary() -> Path:
    """Return the directory for temporary files: memory where there is enough, because the array is copied for every replay."""
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
    """Return every home that an earlier run may have used: whether that was memory depends on what was free."""
    return (home(),) if os.environ.get("TMPDIR") else (user_home.below(MEMORY), user_home.below(_on_disk()))


def make_directory(path: Path) -> None:
    """Make a directory, and those above it, that every user may pass through whatever our umask: PostgreSQL may run as another."""
    for missing in reversed([directory for directory in (path, *path.parents) if not directory.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(PASSABLE)


def write_private(file: Path, text: str, owner: Owner | None = None) -> None:
    """Write a file that only its owner can read, this user if none is given; it exists once it is complete. Raises OSError."""
    partial = file.with_name(f"{file.name}.new")
    partial.unlink(missing_ok=True)
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as written:
        if owner:
            os.fchown(fd, owner.uid, owner.gid)
        written.write(text)
    partial.rename(file)


def create_run_directory() -> RunDirectory:
    """Make a run directory; raises FacilityError, which names the place, when there is no space or no permission."""
    place = home()
    try:
        unlocked = _make_unlocked(place)
        lock_fd = os.open(unlocked / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock_fd, fcntl.LOCK_EX)
        path = unlocked.rename(unlocked.with_name(LOCKED + unlocked.name.removeprefix(UNLOCKED)))  # a sweep finds it only when locked
    except OSError as error:
        raise FacilityError(
            f"no run directory can be made in {place}: {error.strerror}; set TMPDIR to a directory with space and permission"
        ) from error
    return RunDirectory(path, lock_fd)


def _make_unlocked(place: Path) -> Path:
    """Make the directory, still without its lock."""
    while True:
        user_home.make(place)
        try:
            place.chmod(PASSABLE)
            unlocked = Path(tempfile.mkdtemp(prefix=UNLOCKED, dir=place))
        except FileNotFoundError:
            continue  # another run was the last to end there, and has removed it
        unlocked.chmod(PASSABLE)
        return unlocked


def require_space(directory: Path, jobs: int) -> None:
    """Raise FacilityError when there is too little space for so many replays at a time: PostgreSQL would fail in the middle of one.

    Each array takes space: the prepared one, and a copy for each replay and for the next.
    """
    disk = os.statvfs(directory)
    free, needed = disk.f_bavail * disk.f_frsize, (2 + jobs) * ARRAY_BYTES
    if disk.f_blocks and free < needed:
        what, advice = (
            ("a replay needs", SPACE) if jobs == 1 else (f"{jobs} replays at a time need", "set TMPDIR to another, or give fewer --jobs")
        )
        raise FacilityError(f"{directory.parent} has {free / 1e6:.0f} MB free, and {what} {needed / 1e6:.0f} MB; {advice}")


def sweep() -> tuple[Path, ...]:
    """Clean up after runs that were killed; return the directories removed."""
    return tuple(remains.path for remains in sweep_remains())


def sweep_remains() -> tuple[Remains, ...]:
    """Clean up after runs that were killed; return what was removed of each."""
    return tuple(remains for place in _homes() if user_home.is_ours(place) for remains in _sweep(place))


def _sweep(place: Path) -> list[Remains]:
    for path in user_home.found(place, f"{UNLOCKED}*"):  # killed in the microseconds before its lock
        with suppress(FileNotFoundError):  # or just locked, and renamed
            if time.time() - path.stat().st_mtime > UNLOCKED_AT_MOST_S:
                shutil.rmtree(path, ignore_errors=True)
    removed = []
    for path in user_home.found(place, f"{LOCKED}*"):
        try:
            lock_fd = os.open(path / LOCK, os.O_RDWR)
        except OSError:  # another sweep or its owner is removing it, or was killed just before the end of that
            with suppress(OSError):
                path.rmdir()
            continue
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # its owner lives
        else:
            if path.exists():
                processes, segments = _end_remains(path)
                _wait_removed(path)
                removed.append(Remains(path, processes, segments))
        finally:
            os.close(lock_fd)
    return removed


def _end_remains(path: Path) -> tuple[int, int]:
    """Kill the noted processes that still run, each checked by its start time, because a process id may be reused.

    And every process that has an array's lock open: only its servers' do, and one that was paused does not end with the others.
    Return how many processes were killed, and how many segments of shared memory removed.
    """
    killed = 0
    noted = [line.partition(" ") for line in _lines(path / PIDS)]
    running = {int(pid) for pid, _, since in noted if pid.isdecimal() and since and started(int(pid)) == since}
    for pid in running | set(_holders(path)):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    for line in _lines(path / PROXIES):
        address, _, name = line.partition(" ")
        with suppress(ProxyError, ValueError):  # gone with its Toxiproxy
            toxiproxy = Address.parse(address)
            FaultProxyClient(toxiproxy.host, toxiproxy.port).delete(name)
    postmasters = user_home.found(path, "**/array/postmaster.pid")
    return killed, sum(shared_memory.remove_segment_of(postmaster) for postmaster in postmasters)


def _holders(path: Path) -> Iterator[int]:
    """Yield the processes that have the lock of an array of this run open, where there is a /proc."""
    locks = set(user_home.found(path, "**/array.lock"))
    for fd in user_home.found(Path("/proc"), "[0-9]*/fd/*") if locks else ():
        with suppress(OSError):  # ended meanwhile, or another user's
            if fd.readlink() in locks:
                yield int(fd.parts[2])


def _wait_removed(path: Path) -> None:
    """Remove a run directory, the lock last: as long as anything is left, a later sweep finds that its owner is dead.

    A process that was just killed may still write, so this retries for `REMOVED_WITHIN_S`. What is left then is for a later sweep.
    """
    deadline = time.monotonic() + REMOVED_WITHIN_S
    while True:
        for entry in _entries(path):
            shutil.rmtree(entry, ignore_errors=True)
            with suppress(OSError):
                entry.unlink()
        if not _entries(path):
            with suppress(OSError):
                (path / LOCK).unlink()
                path.rmdir()
            return
        if time.monotonic() > deadline:
            return
        time.sleep(POLL_S)


def _entries(path: Path) -> list[Path]:
    """Return all that is in a run directory but its lock."""
    try:
        return [entry for entry in path.iterdir() if entry.name != LOCK]
    except OSError:
        return []


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def started(pid: int) -> str:
    """Return when a process started: in clock ticks since boot, or in the words of `ps`; empty when it has ended.

    That is so also where nobody has waited for it yet.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "" if Path("/proc/self/stat").exists() else _started_by_ps(pid)
    fields = status.rpartition(")")[2].split()  # from the third of proc(5) on: the command may have brackets
    return "" if fields[0] in ENDED else fields[19]


def _started_by_ps(pid: int) -> str:
    """Ask `ps`, where there is no /proc, as on macOS."""
    try:
        return subprocess.run(["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
