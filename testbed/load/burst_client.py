"""The testbed's side of a burst: starts its process, and hears what became of the connections."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.facility.burst import BurstResult, BurstSpec
from testbed.facility.runtime import ServiceSpec
from testbed.load.burst import OPEN_WITHIN_S

if TYPE_CHECKING:
    from testbed.facility.burst import BurstConnections
    from testbed.facility.runtime import Runtime


MODULE = "testbed.load.burst"


NAME = "crowd"


GRACE_S = 10.0  # that the process may take longer than it was told to wait


@dataclass(slots=True)
class BurstProcess:
    """A crowd in a process of the runtime, at the other end of a connection."""

    runtime: Runtime
    order: BurstSpec
    lines: asyncio.StreamReader
    writer: asyncio.StreamWriter
    opened: BurstResult = field(default_factory=BurstResult)

    async def wait_told(self, line: str, within_s: float) -> BurstResult:
        """Send a line and wait for what comes of it; raises FacilityError when nothing does, or there is no crowd."""
        self.writer.write(f"{line}\n".encode())
        try:
            async with asyncio.timeout(within_s + GRACE_S):
                said = await self.lines.readline()
        except (TimeoutError, OSError) as error:
            raise FacilityError(f"the crowd did not say within {within_s + GRACE_S:.0f} s what became of it") from error
        if not said:
            raise FacilityError(f"the crowd's process is gone:\n{await self.runtime.logs(NAME)}")
        told = BurstResult(**json.loads(said))
        if told.error:
            raise FacilityError(told.error)
        return told

    async def ask(self) -> BurstResult:
        """Let all ask at once."""
        return await self.wait_told("ask", self.order.within_s)

    async def leave(self) -> None:
        """End the process, and by that its connections."""
        self.writer.transport.abort()
        await self.runtime.stop(NAME)


async def open_burst(runtime: Runtime, order: BurstSpec) -> BurstConnections:
    """Start a crowd's process and open its connections; see `Gather`."""
    address = runtime.reserve(NAME)
    await runtime.start(ServiceSpec(NAME, MODULE, ("{fd}",)))
    try:
        lines, writer = await asyncio.open_connection(address.host, address.port)  # the kernel takes it, whenever the process accepts
    except OSError as error:
        raise FacilityError(f"the crowd's process is gone: {error.strerror}\n{await runtime.logs(NAME)}") from error
    burst = BurstProcess(runtime, order, lines, writer)
    try:
        burst.opened = await burst.wait_told(json.dumps(asdict(order)), OPEN_WITHIN_S)
    except BaseException:
        await burst.leave()
        raise
    return burst
