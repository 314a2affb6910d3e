"""Full log disks on the processes runtime: a log is a symbolic link, which `fill` points to the kernel's device that is always full.

A write to it fails with the error of a full disk (ENOSPC) from the kernel. What it cannot show: a disk with room for half
a line, and other programs that need the same disk.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.observe.log_line import ask_to_log

if TYPE_CHECKING:
    from testbed.facility.address import Address

DEVICE = Path("/dev/full")  # Linux: full(4)


@dataclass(frozen=True, slots=True)
class ProcessLogDisks:
    """The logs of some application servers below a directory, which its owner makes and removes."""

    directory: Path
    servers: tuple[str, ...]

    def log_of(self, server: str) -> Path:
        """Return the path of a server's log: a link that `fill` and `free` point elsewhere."""
        return self.directory / f"{server}-errors.log"

    def prepare(self) -> None:
        """Point every log to a file."""
        for server in self.servers:
            self._point(server, self._file(server))

    def _file(self, server: str) -> Path:
        return self.directory / f"{server}-errors.kept.log"

    def _point(self, server: str, target: Path) -> None:
        """Point a log to a target, atomically."""
        log = self.log_of(server)
        new = log.with_suffix(".new")
        try:
            with suppress(FileNotFoundError):
                new.unlink()
            new.symlink_to(target)
            new.replace(log)
        except OSError as error:
            raise FacilityError(f"the log of {server} cannot be pointed to {target}: {error.strerror}") from error

    async def fill(self, server: str) -> None:
        """Point the log to the full device; raises FacilityError where the system has none."""
        if not DEVICE.is_char_device():
            raise FacilityError(f"this system has no {DEVICE}, so no disk can be full; --runtime containers can fill a real one")
        self._point(server, DEVICE)

    async def free(self, server: str) -> None:
        """Point it to its file again."""
        self._point(server, self._file(server))

    async def log_line_error(self, server: str, address: Address) -> str:
        """Ask the server to log a line, and return why it was lost."""
        return await ask_to_log(server, address)

    def full(self) -> tuple[str, ...]:
        """Return the servers whose logs lead to the full device."""
        return tuple(server for server in self.servers if self.log_of(server).resolve() == DEVICE)
