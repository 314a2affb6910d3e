"""Full disks on the processes runtime: a log that is a link, which leads to the kernel's device that is always full.

Whoever writes to it gets the error of a full disk (ENOSPC) from the kernel. What it cannot show: a disk with room for half
a line, and others who need the same one.
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
        """Give the path at which a server finds its log; `fill` and `free` decide where it leads."""
        return self.directory / f"{server}-errors.log"

    def prepare(self) -> None:
        """Let every log lead to a file."""
        for server in self.servers:
            self._lead(server, self._file(server))

    def _file(self, server: str) -> Path:
        return self.directory / f"{server}-errors.kept.log"

    def _lead(self, server: str, target: Path) -> None:
        """Let a log lead elsewhere, from one moment to the next."""
        log = self.log_of(server)
        new = log.with_suffix(".new")
        try:
            with suppress(FileNotFoundError):
                new.unlink()
            new.symlink_to(target)
            new.replace(log)
        except OSError as error:
            raise FacilityError(f"the log of {server} cannot be led to {target}: {error.strerror}") from error

    async def fill(self, server: str) -> None:
        """Let the log lead to the full device; raises FacilityError where the system has none."""
        if not DEVICE.is_char_device():
            raise FacilityError(f"this system has no {DEVICE}, so no disk can be full; containers can fill a real one")
        self._lead(server, DEVICE)

    async def free(self, server: str) -> None:
        """Let it lead to its file again."""
        self._lead(server, self._file(server))

    async def log_line_error(self, server: str, address: Address) -> str:
        """Have the server log a line, and hear why it was lost."""
        return await ask_to_log(server, address)

    def full(self) -> tuple[str, ...]:
        """Look where the logs lead."""
        return tuple(server for server in self.servers if self.log_of(server).resolve() == DEVICE)
