"""Full log disks in containers: each application server logs to a small file system of its own, which is filled to the last byte."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.observe.log_line import ask_to_log

if TYPE_CHECKING:
    from testbed.facility.address import Address
    from testbed.runtime.containers.runtime import Containers

DIRECTORY = "/var/log/flight_search"  # compose.yaml mounts it
WITHIN_S = 20.0
# A file fills every free block, and empty lines the rest of the log's last block. Both end when there is no space, and then one byte in
# another file must fail, too. A log that does not exist yet is left to the server: made here, it would belong to another user.
FILL = f"""
cd {DIRECTORY}
dd if=/dev/zero of=filler bs=4096
if [ -f errors.log ]; then yes '' | dd of=errors.log bs=1 oflag=append conv=notrunc,nocreat; fi
if printf x > probe; then rm probe; exit 1; fi
rm -f probe
"""
FREE = f"rm -f {DIRECTORY}/filler"


@dataclass(slots=True)
class ContainerLogDisks:
    """The disks of one compose project."""

    runtime: Containers
    filled: set[str] = field(default_factory=set)

    async def fill(self, server: str) -> None:
        """Fill a server's disk."""
        self.filled.add(server)
        await self._run(server, FILL)

    async def free(self, server: str) -> None:
        """Free a server's disk."""
        await self._run(server, FREE)
        self.filled.discard(server)

    async def _run(self, server: str, script: str) -> None:
        await self.runtime.run_in(server, "sh", "-c", script, within_s=WITHIN_S)

    async def log_line_error(self, server: str, address: Address) -> str:
        """Ask the server to log a line, and return why it was lost."""
        return await ask_to_log(server, address)

    def full(self) -> tuple[str, ...]:
        """Return the servers whose disks were filled and not freed."""
        return tuple(sorted(self.filled))
