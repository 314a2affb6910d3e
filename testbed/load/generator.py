"""The load generator: its own process, so that it shares no interpreter with what it measures or with the display.

    python -m testbed.load.generator LISTEN_FD | HOST:PORT [TOKEN_FILE]

It accepts one connection at the listening socket that it inherits, or one after another at an address; with a token's file,
only one that brings the token first (`door.py`). Over that it reads JSON Lines, one request a line: `id`, `due_s` (seconds
after the start), `url`, `body`; then an empty line, which it answers with `ready`; then a line with the start (seconds of the
system's monotonic clock). Each line after that is a list of `Rate`, by which it goes from then on. It sends each request when
it is due, whether or not earlier ones came back (open loop), and writes a line for each request sent (`id`, `sent_s`,
`begun_s`) and for each that ended (`id`, `answered_s`, `status` or null, `error`), in seconds after the start. It is sent when
its bytes leave; where no connection is made within `CONNECTING_S`, when it began to connect: what holds it up then is the
facility. A request has no time-out: passengers wait. The end of the connection ends the sending, and the process, too, unless
it listens at an address; requests in flight stay unanswered.

Before the start, it answers each line `clock` with its monotonic clock in seconds: that may be another machine's than the testbed's.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import os
import resource
import socket
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import aiohttp

from testbed.facility.load_generator import AS_PLANNED, Rate, RequestEnded, RequestSent, real_s
from testbed.load.door import accept

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import SimpleNamespace

NICENESS = -15  # where permitted: a request that is due goes out before the facility computes on
AUTOGROUP = Path("/proc/self/autogroup")
SEND_AHEAD_S = 0.0005  # a timer this close is as good as due
CONNECTING_S = 0.25  # a caller that accepts is connected long before
ANSWER_HEAD = 300
LINE_LIMIT = 1 << 20
ASK_CLOCK = b"clock\n"


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request to send: when it is due (seconds after the start), where, and the JSON text of its body."""

    id: int
    due_s: float
    url: str
    body: str


def encode(requests: Sequence[PlannedRequest]) -> bytes:
    """Format requests as the process reads them, with the empty line at the end."""
    return "".join(json.dumps(asdict(request)) + "\n" for request in requests).encode() + b"\n"


def decode(line: bytes) -> RequestSent | RequestEnded:
    """Parse a line that the process wrote."""
    fields = json.loads(line)
    return RequestSent(**fields) if "sent_s" in fields else RequestEnded(**fields)


@dataclass(slots=True)
class Rates:
    """The rates that hold now; `changed` is set when they change."""

    rates: Sequence[Rate] = AS_PLANNED
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def change(self, rates: Sequence[Rate]) -> None:
        """Go by other rates."""
        self.rates = rates
        self.changed.set()

    async def wait_due(self, start_s: float, due_s: float) -> None:
        """Wait until something is due that was planned for `due_s` seconds after the start, whatever becomes of the rates meanwhile."""
        while (left_s := start_s + real_s(self.rates, due_s) - time.monotonic()) > SEND_AHEAD_S:
            self.changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if math.isinf(left_s) else left_s):  # the night may stand still
                    await self.changed.wait()


@dataclass(slots=True)
class Departure:
    """Records once when a request was sent; see the module."""

    id: int
    start_s: float
    record: Callable[[RequestSent | RequestEnded], None]
    begun_s: float = field(default_factory=time.monotonic)
    timer: asyncio.TimerHandle | None = None
    is_recorded: bool = False

    def __enter__(self) -> Self:
        """Begin to connect."""
        self.timer = asyncio.get_running_loop().call_later(CONNECTING_S, self.at, self.begun_s)
        return self

    def __exit__(self, *_: object) -> None:
        """Record a request that ended before its bytes left."""
        self.at(self.begun_s)

    def at(self, sent_s: float) -> None:
        """Record when it was sent, on the system's monotonic clock, unless that has been recorded."""
        if self.timer is not None:
            self.timer.cancel()
        if not self.is_recorded:
            self.is_recorded = True
            self.record(RequestSent(self.id, sent_s - self.start_s, self.begun_s - self.start_s))


async def _on_bytes_sent(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams) -> None:
    context.trace_request_ctx.at(time.monotonic())


async def send_all(
    requests: Sequence[PlannedRequest],
    start_s: float,
    record: Callable[[RequestSent | RequestEnded], None],
    stop: asyncio.Event,
    rates: Rates | None = None,
) -> None:
    """Send each request when it is due; return when `stop` is set, with the rest unsent and the unanswered abandoned."""
    timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=3600)
    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(_on_bytes_sent)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trace_configs=[tracing]) as session:

        async def send(request: PlannedRequest) -> None:
            status, error = None, ""
            with Departure(request.id, start_s, record) as departure:
                try:
                    async with session.post(request.url, data=request.body, headers=headers, trace_request_ctx=departure) as response:
                        text = await response.text(errors="replace")
                        status = response.status
                        error = "" if response.ok else text[:ANSWER_HEAD]
                except (aiohttp.ClientError, OSError) as failure:
                    error = f"{type(failure).__name__}: {failure}"
            record(RequestEnded(request.id, time.monotonic() - start_s, status, error))

        async with asyncio.TaskGroup() as group:
            sending = group.create_task(_when_due(requests, start_s, rates or Rates(), lambda request: group.create_task(send(request))))
            await stop.wait()
            sending.cancel()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()


async def _when_due(requests: Sequence[PlannedRequest], start_s: float, rates: Rates, send: Callable[[PlannedRequest], object]) -> None:
    """Call `send` for each request when it is due."""
    for request in sorted(requests, key=lambda request: request.due_s):
        await rates.wait_due(start_s, request.due_s)
        send(request)


def main(argv: Sequence[str]) -> None:
    """Run the process; see the module's docstring for what it reads and writes."""
    _go_first()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    token_file = Path(argv[1]) if len(argv) > 1 else None
    if argv[0].isdecimal():
        with socket.socket(fileno=int(argv[0])) as listener:
            connection = accept(listener, token_file)
        asyncio.run(_run(connection))
        return
    host, _, port = argv[0].rpartition(":")
    with socket.create_server((host, int(port))) as listener:
        while True:
            connection = accept(listener, token_file)
            with suppress(ConnectionError):  # the testbed closed the connection in the middle
                asyncio.run(_run(connection))


def _go_first() -> None:
    """Be scheduled before what is measured, where that is permitted.

    Linux weighs sessions first and the processes of each then, if it groups them (`sched(7)`, autogroup): every service is a session of its
    own, as this process is, so that its niceness alone would change nothing.
    """
    with suppress(OSError):
        os.nice(NICENESS)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            AUTOGROUP.write_text(str(NICENESS), encoding="ascii")


async def _run(connection: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=connection, limit=LINE_LIMIT)
    try:
        await _serve(reader, writer)
    finally:
        writer.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    requests = []
    while (line := await _next_line(reader)).strip():
        requests.append(PlannedRequest(**json.loads(line)))
    gc.freeze()
    writer.write(b"ready\n")
    while (start := await _next_line(reader)) == ASK_CLOCK:
        writer.write(f"{time.monotonic()!r}\n".encode())
    if not start:
        return

    def record(event: RequestSent | RequestEnded) -> None:
        writer.write(json.dumps(asdict(event)).encode() + b"\n")

    stop, rates = asyncio.Event(), Rates()

    async def wait_end() -> None:
        """Take the rates as they come, until the end of the connection, by FIN or by a reset."""
        with suppress(ConnectionError):
            while line := await _next_line(reader):
                rates.change([Rate(**rate) for rate in json.loads(line)])
        stop.set()

    ending = asyncio.create_task(wait_end())
    await send_all(requests, float(start), record, stop, rates)
    await ending


async def _next_line(reader: asyncio.StreamReader) -> bytes:
    """Return the next line; nothing at the end of the connection, where a testbed that was killed may have left half of one."""
    line = await reader.readline()
    return line if line.endswith(b"\n") else b""


if __name__ == "__main__":
    main(sys.argv[1:])
