"""The array: one data directory that either database host can mount, and a lock that only one server can hold (C2, C4).

A mount is a link from the host's directory to the array. The lock is the kernel's (`flock`), on a file beside the
data directory; it is passed to the server as an open file and so belongs to the server's processes, not to this one.
As long as any process of the server lives, even one that outlived a killed postmaster, no other server can be started
on the array; when the last has ended, the array is free.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.concurrency import wait_until
from testbed.errors import ArrayError, WaitError
from testbed.runtime import run_directory

if TYPE_CHECKING:
    from pathlib import Path

MOUNT = "mnt"
DATA = "array"
POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class Array:
    """The array below `root`: the data, its lock, and a directory for each host."""

    root: Path

    @property
    def data(self) -> Path:
        """The data directory itself; servers use it only through a mount."""
        return self.root / DATA

    @property
    def lock_file(self) -> Path:
        """The file that the running server has locked."""
        return self.root / "array.lock"

    def mount_of(self, host: str) -> Path:
        """Return the path of the array on `host` when it is mounted there."""
        return self.root / host / MOUNT

    def mounted_on(self) -> str | None:
        """Return the host that has the array mounted; None when no host has."""
        mounts = sorted(self.root.glob(f"*/{MOUNT}"))
        return mounts[0].parent.name if mounts else None

    def mount(self, host: str) -> None:
        """Mount the array on `host`; raises ArrayError when another host has it."""
        changing_fd = os.open(self.root / "mount.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(changing_fd, fcntl.LOCK_EX)  # two hosts at once must not both find it unmounted; held for a moment
            holder = self.mounted_on()
            if holder is not None:
                raise ArrayError(f"the array cannot be mounted on {host}: it is mounted on {holder}; unmount it there first")
            run_directory.make_directory(self.mount_of(host).parent)
            self.mount_of(host).symlink_to(self.data, target_is_directory=True)
        finally:
            os.close(changing_fd)

    def unmount(self, host: str) -> None:
        """Unmount the array on `host`; raises ArrayError when it is not mounted there, or a server still runs on it."""
        if self.mounted_on() != host:
            raise ArrayError(f"the array cannot be unmounted on {host}: it is mounted on {self.mounted_on() or 'no host'}")
        lock_fd = self.acquire(host)
        try:
            self.mount_of(host).unlink()
        finally:
            os.close(lock_fd)

    def acquire(self, host: str) -> int:
        """Lock the array for a server on `host`, and return the open file: pass it to the server, and close it here once the server has it.

        Raises ArrayError when the array is not mounted on `host` or a server's process still holds the lock.
        """
        self._require_mounted(host)
        lock_fd = self.lock()
        try:
            self._require_mounted(host)  # again: the lock is needed to unmount, and from here on we have it
        except ArrayError:
            os.close(lock_fd)
            raise
        return lock_fd

    @property
    def in_use(self) -> bool:
        """Whether any process of a server is left."""
        if not self.lock_file.exists():
            return False
        try:
            os.close(self.lock())
        except ArrayError:
            return True
        return False

    async def wait_free(self, within_s: float) -> bool:
        """Wait until no process of a server is left; return False when one still is after `within_s` seconds."""
        try:
            await wait_until("the array did not become free", self._holder, within_s, every_s=POLL_S)
        except WaitError:
            return False
        return True

    async def _holder(self) -> str | None:
        return f"a database server holds {self.lock_file}" if self.in_use else None

    def lock(self) -> int:
        """Lock the array, mounted or not, and return the open file; see `acquire`."""
        try:
            lock_fd = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ArrayError(f"the array cannot be locked: {self.lock_file}: {error.strerror}") from error
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock_fd)
            raise ArrayError(f"the array is in use: a database server holds {self.lock_file}; stop it first") from error
        return lock_fd

    def _require_mounted(self, host: str) -> None:
        holder = self.mounted_on()
        if holder != host:
            raise ArrayError(f"no server can use the array on {host}: it is mounted on {holder or 'no host'}")
