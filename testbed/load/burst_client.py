"""The testbed's side of a burst: starts its process, and reads how its connections ended."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.facility.burst import BurstResult, BurstSpec
from testbed.facility.runtime import ServiceSpec
from testbed.load.burst import OPEN_WITHIN_S
from testbed.load.door import greeting

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.facility.burst import BurstConnections
    from testbed.facility.runtime import Runtime

MODULE = "testbed.load.burst"
NAME = "burst"
GRACE_S = 10.0  # how much longer than its own limit the process may take


@dataclass(slots=True)
class BurstProcess:
    """A burst in a process of the runtime, at the other end of a connection."""

    runtime: Runtime
    spec: BurstSpec
    lines: asyncio.StreamReader
    writer: asyncio.StreamWriter
    opened: BurstResult = field(default_factory=BurstResult)

    async def wait_result(self, line: str, within_s: float) -> BurstResult:
        """Send a line and wait for its result; raises FacilityError when there is none in time, or it is an error."""
        self.writer.write(f"{line}\n".encode())
        try:
            async with asyncio.timeout(within_s + GRACE_S):
                answer = await self.lines.readline()
        except (TimeoutError, OSError) as error:
            raise FacilityError(f"the process of the burst gave no result within {within_s + GRACE_S:.0f} s; see its log") from error
        if not answer:
            raise FacilityError(f"the process of the burst is gone:\n{await self.runtime.logs(NAME)}")
        result = BurstResult(**json.loads(answer))
        if result.error:
            raise FacilityError(result.error)
        return result

    async def ask(self) -> BurstResult:
        """Send the request over every connection at once; return how many ended in which way."""
        return await self.wait_result("ask", self.spec.within_s)

    async def leave(self) -> None:
        """Stop the process, and with it its connections."""
        self.writer.transport.abort()
        await self.runtime.stop(NAME)


async def open_burst(runtime: Runtime, spec: BurstSpec, *, token_file: Path | None = None) -> BurstConnections:
    """Start the process of a burst and open its connections; see `OpenBurst`. `token_file`: of the run, for the process and for us.

    Raises OSError when the token cannot be read.
    """
    first = greeting(token_file)  # before there is a process that nobody would stop
    address = runtime.reserve(NAME)
    await runtime.start(ServiceSpec(NAME, MODULE, ("{fd}", *([] if token_file is None else [str(token_file)]))))
    try:
        lines, writer = await asyncio.open_connection(address.host, address.port)  # the kernel completes it before the process accepts
    except OSError as error:
        raise FacilityError(f"the process of the burst is gone: {error.strerror}\n{await runtime.logs(NAME)}") from error
    burst = BurstProcess(runtime, spec, lines, writer)
    writer.write(first)
    try:
        burst.opened = await burst.wait_result(json.dumps(asdict(spec)), OPEN_WITHIN_S)
    except BaseException:
        await burst.leave()
        raise
    return burst
