"""Full disks in containers: a small file system of its own takes each application server's log, and is filled to the last byte."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.observe.log_line import ask_to_log

if TYPE_CHECKING:
    from testbed.facility.address import Address
    from testbed.runtime.containers.runtime import Containers

DIRECTORY = "/var/log/flight_search"  # compose.yaml mounts it
WITHIN_S = 20.0
# A file takes every block that is left, and empty lines what the log's own last block still has. Both end when there is no space, and
# then one byte in another file must find none either. A log that is not there yet is left to the server: made here, it would be ours.
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
        """Fill it."""
        self.filled.add(server)
        await self._run(server, FILL)

    async def free(self, server: str) -> None:
        """Remove what fills it."""
        await self._run(server, FREE)
        self.filled.discard(server)

    async def _run(self, server: str, script: str) -> None:
        await self.runtime.run_in(server, "sh", "-c", script, within_s=WITHIN_S)

    async def log_line_error(self, server: str, address: Address) -> str:
        """Have the server log a line, and hear why it was lost."""
        return await ask_to_log(server, address)

    def full(self) -> tuple[str, ...]:
        """Give those that were filled: nobody else frees them."""
        return tuple(sorted(self.filled))
