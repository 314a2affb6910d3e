"""The disk that takes the log is full (W7)."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from testbed.concurrency import run_all
from testbed.errors import FacilityError

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

FULL = os.strerror(errno.ENOSPC)


@dataclass(frozen=True, slots=True)
class DiskFull:
    """Fills the disk that takes the log of an application server, or of every one of them: each write fails with ENOSPC.

    In containers a small file system is filled to the last byte; on processes the log leads to the kernel's device that is always full.
    Healed, lines are written again; those that were lost stay lost.
    """

    service: Annotated[str, Field(pattern=r"^cf-\d+$")] | None = None

    async def inject(self, actions: Actions) -> str:
        """Fill it, and see that the server itself cannot log a line."""
        servers, disks = self._servers(actions), actions.facility.log_disks
        async with actions.step(1, f"fill the disk that takes the log of {', '.join(servers)}"):
            await run_all(disks.fill(server) for server in servers)
        async with actions.step(2, "see that a line that each is asked to log is lost for want of space") as details:
            for server in servers:
                lost = await self._lost(actions, server)
                if lost != FULL:
                    was = f"lost: {lost}" if lost else "written"
                    raise FacilityError(f"the disk that takes the log of {server} was to be full, and a line was {was}")
                details.append(f"{server}: {lost}")
        return f"the disk that takes the log of {', '.join(servers)} is full"

    async def heal(self, actions: Actions) -> str:
        """Make room, and see that the server itself logs a line."""
        servers, disks = self._servers(actions), actions.facility.log_disks
        async with actions.step(1, f"make room on the disk that takes the log of {', '.join(servers)}"):
            await run_all(disks.free(server) for server in servers)
        async with actions.step(2, "see that a line that each is asked to log is written"):
            for server in servers:
                lost = await self._lost(actions, server)
                if lost:
                    raise FacilityError(f"there was to be room for the log of {server}, and a line was lost: {lost}")
        return f"{', '.join(servers)} can log again"

    def _servers(self, actions: Actions) -> tuple[str, ...]:
        return actions.facility.application_servers if self.service is None else (self.service,)

    async def _lost(self, actions: Actions, server: str) -> str:
        return await actions.facility.log_disks.log_line_error(server, actions.facility.runtime.address(server))
