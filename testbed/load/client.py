"""The testbed's side of the load generator's process: sends it the requests, and reads what was sent and what has ended."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from testbed.errors import ServiceError
from testbed.facility import load_generator
from testbed.load.clock_offset import SAME_CLOCK, ClockOffset, RoundTrip, clock_offset
from testbed.load.door import greeting
from testbed.load.generator import ASK_CLOCK, LINE_LIMIT, PlannedRequest, decode, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from testbed.facility.address import Address
    from testbed.facility.load_generator import DueRequest, LoadGenerator

READY_WITHIN_S = 60.0
ROUND_TRIPS = 20
CLOCKS_WITHIN_S = 0.01  # by so much a request may be taken for earlier or later than it was, where the clocks are two
ASKED_FOR_S = 30.0  # further round trips, when a busy machine delayed all of the first
ASKED_EVERY_S = 0.01


@dataclass(frozen=True, slots=True)
class TcpLoadGenerator:
    """The load generator's process (`generator`), at the other end of a connection; `clock` is its monotonic clock against ours."""

    lines: asyncio.StreamReader
    writer: asyncio.StreamWriter
    clock: ClockOffset = SAME_CLOCK

    def start(self, start_s: float) -> None:
        """Send the start, converted to the process's monotonic clock: the system's, unless it runs on another machine."""
        system_start_s = time.monotonic() + start_s - asyncio.get_running_loop().time()
        self.writer.write(f"{system_start_s + self.clock.ahead_s!r}\n".encode())

    def change_rates(self, rates: Sequence[load_generator.Rate]) -> None:
        """Send the rates, which the process goes by from then on."""
        self.writer.write(json.dumps([asdict(rate) for rate in rates]).encode() + b"\n")

    async def events(self) -> AsyncIterator[load_generator.RequestSent | load_generator.RequestEnded]:
        """Yield the events that the process writes until the connection ends or is reset; half a line at the end is left out."""
        try:
            while (line := await self.lines.readline()).endswith(b"\n"):
                yield decode(line)
        except ConnectionError:
            return

    def stop(self) -> None:
        """Close the connection, which ends the process."""
        self.writer.close()


async def connect_over_tcp(
    requests: Sequence[DueRequest], generator: Address, callers: Mapping[str, Address], *, token_file: Path | None = None
) -> LoadGenerator:
    """Send the requests to the process that listens at `generator`, and return when it is ready; see `Connect`.

    `token_file`: of the run, where the process asks for its token.
    """
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            lines, writer = await asyncio.open_connection(generator.host, generator.port, limit=LINE_LIMIT)
            try:
                writer.write(greeting(token_file) + encode([_planned_request(due, callers[due.request.caller]) for due in requests]))
                answer = await lines.readline()
                if answer != b"ready\n":
                    raise ServiceError(f"the load generator at {generator} answered {answer!r}, expected b'ready\\n'; see its log")
                clock = await _compare_clocks(lines, writer, generator)
            except BaseException:
                writer.close()
                raise
    except TimeoutError as error:
        raise ServiceError(f"the load generator at {generator} was not ready within {READY_WITHIN_S:.0f} s") from error
    except OSError as error:
        raise ServiceError(f"the load generator at {generator} cannot be reached: {error.strerror or error!r}; see its log") from error
    return TcpLoadGenerator(lines, writer, clock)


async def _compare_clocks(lines: asyncio.StreamReader, writer: asyncio.StreamWriter, generator: Address) -> ClockOffset:
    """Ask the process for its clock until the answers tell it well enough; raises ServiceError when they do not within `ASKED_FOR_S`."""
    trips: list[RoundTrip] = []
    until_s = time.monotonic() + ASKED_FOR_S
    while True:
        asked_s = time.monotonic()
        writer.write(ASK_CLOCK)
        answer = await lines.readline()
        answered_s = time.monotonic()
        try:
            trips.append(RoundTrip(asked_s, float(answer), answered_s))
        except ValueError as error:
            raise ServiceError(f"the load generator at {generator} answered {answer!r}, expected its clock; see its log") from error
        if len(trips) < ROUND_TRIPS:
            continue
        clock = clock_offset(trips)
        if clock.within_s <= CLOCKS_WITHIN_S:
            return clock
        if answered_s > until_s:
            raise ServiceError(
                f"the clock of the load generator at {generator} is known to within {clock.within_s * 1000:.1f} ms only, after "
                f"{len(trips)} round trips in {ASKED_FOR_S:.0f} s; {CLOCKS_WITHIN_S * 1000:.0f} ms are needed"
            )
        await asyncio.sleep(ASKED_EVERY_S)


def _planned_request(due: DueRequest, caller: Address) -> PlannedRequest:
    request = due.request
    body = json.dumps(
        {
            "passenger": request.passenger,
            "date": request.date,
            "carrier": request.carrier,
            "flight": request.flight,
            "origin": request.origin,
            "destination": request.destination,
        }
    )
    return PlannedRequest(request.id, due.due_s, f"{caller.url}/transactions/{request.transaction}", body)
