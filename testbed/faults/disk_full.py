"""The log disk is full (W7)."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from testbed.concurrency import run_all
from testbed.errors import FacilityError

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

FULL = os.strerror(errno.ENOSPC)


@dataclass(frozen=True, slots=True)
class DiskFull:
    """Fills the log disk of one application server, or of all of them: each write fails with ENOSPC.

    In containers a small file system is filled to the last byte; on processes the log leads to `/dev/full`. Once healed, lines are written
    again; those that were lost stay lost.
    """

    exhausts: ClassVar[tuple[str, ...]] = ("space",)

    service: Annotated[str, Field(pattern=r"^cf-[0-9]+$")] | None = None

    async def inject(self, actions: Actions) -> str:
        """Fill the disks, and verify that each server itself fails to log a line."""
        servers, disks = self._servers(actions), actions.facility.log_disks
        async with actions.step(1, f"fill the log disk of {', '.join(servers)}"):
            await run_all(disks.fill(server) for server in servers)
        async with actions.step(2, "verify that each server's next log line fails with ENOSPC") as details:
            for server in servers:
                error = await self._log_line_error(actions, server)
                if error != FULL:
                    saw = error or "the line was written"
                    raise FacilityError(f"expected the next log line of {server} to fail with ENOSPC; saw: {saw}")
                details.append(f"{server}: {error}")
        return f"the log disk of {', '.join(servers)} is full"

    async def heal(self, actions: Actions) -> str:
        """Free the disks, and verify that each server itself logs a line."""
        servers, disks = self._servers(actions), actions.facility.log_disks
        async with actions.step(1, f"free the log disk of {', '.join(servers)}"):
            await run_all(disks.free(server) for server in servers)
        async with actions.step(2, "verify that each server's next log line is written"):
            for server in servers:
                error = "" if server in actions.facility.down else await self._log_line_error(actions, server)
                if error:
                    raise FacilityError(f"expected the next log line of {server} to be written; saw: {error}")
        return f"{', '.join(servers)} can log again"

    def _servers(self, actions: Actions) -> tuple[str, ...]:
        return actions.facility.application_servers if self.service is None else (self.service,)

    async def _log_line_error(self, actions: Actions, server: str) -> str:
        return await actions.facility.log_disks.log_line_error(server, actions.facility.runtime.address(server))
