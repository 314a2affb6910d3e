"""A probe: one connection over a link, made as the services on its near side make theirs, and how it ended.

A fault counts as active only when a probe has verified its effect. `python -m testbed.observe.probe HOST PORT LINK SPEC` runs a
probe where the services are that use the link: in their container, when they have one.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from testbed.concurrency import cancel_and_wait
from testbed.errors import FacilityError
from testbed.facility.address import Address
from testbed.facility.probe import ProbeResult, ProbeSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from testbed.facility.probe import ProbeEnd


READ_BYTES = 1 << 16
IN_QUEUE_WITHIN_S = 0.5  # a connection that takes longer has found the queue full: the kernel tries again after a second
MOST_IN_QUEUE = 600

# PostgreSQL's protocol 3.0: a request for encryption is answered by one byte, and by one more when another kind is asked for.
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
GSS_REQUEST = bytes.fromhex("0000000804d21630")
# Nobody has these names, so that the log-in is rejected: in a whole answer of a few hundred bytes, and with no password.
_NAME = b"probe" * 12
_LOG_IN = b"\0\3\0\0user\0" + _NAME + b"\0database\0" + _NAME + b"\0\0"
STARTUP = (len(_LOG_IN) + 4).to_bytes(4, "big") + _LOG_IN

HEAD_BYTES = 5  # of a message: its type, and how many bytes follow, these four among them

HEALTH = b"GET /health HTTP/1.1\r\nHost: facility\r\n\r\n"


async def ask(address: Address, spec: ProbeSpec, *, database: bool, held: Callable[[], None] = lambda: None) -> ProbeResult:
    """Make one connection and return how it ended; call `held` when it is established and its first request was answered."""
    if spec.kind == "queue":
        return await _fill_queue(address, spec, STARTUP if database else HEALTH, held)
    connected, result = await asyncio.to_thread(_connect, address, spec.within_s)
    if connected is None:
        return result
    reader, writer = await asyncio.open_connection(sock=connected)
    connection = Connection(reader, writer, result)
    try:
        if spec.kind == "connect":
            return connection.result
        if spec.kind == "log_in":
            return await connection.request(STARTUP if database else HEALTH, spec.within_s, _is_rejected if database else is_http)
        requests = (SSL_REQUEST, GSS_REQUEST) if database else (HEALTH, HEALTH)
        return await converse(connection, spec, requests, bool if database else is_http, held)
    finally:
        writer.transport.abort()


async def converse(
    connection: Connection,
    spec: ProbeSpec,
    requests: tuple[bytes, bytes],
    is_complete: Callable[[bytes], bool],
    held: Callable[[], None],
) -> ProbeResult:
    """Send the first request; once it is answered call `held`, and wait to be cut (`hold`), or send the second one `idle_s` later."""
    first = await connection.request(requests[0], spec.within_s, is_complete)
    if first.ended != "answered":
        return first
    held()
    if spec.kind == "hold":
        return await connection.wait_cut(spec.within_s)
    await asyncio.sleep(spec.idle_s)
    return await connection.request(requests[1], spec.within_s, is_complete)


def _ended(error: OSError) -> ProbeEnd:
    """Return how an attempt to connect ended; who is accepted and reset at once may meet the reset while it still connects."""
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return "reset" if isinstance(error, ConnectionResetError) else "unconnected"


def _connect(address: Address, within_s: float) -> tuple[socket.socket | None, ProbeResult]:
    """Connect and measure it. Runs in a thread: a busy event loop must not add to the time that the kernel takes."""
    began_s = time.monotonic()
    try:
        connected = socket.create_connection((address.host, address.port), within_s)
    except OSError as error:  # TimeoutError is one, and so is a host that cannot be reached
        return None, ProbeResult(_ended(error), time.monotonic() - began_s)
    result = ProbeResult("answered", time.monotonic() - began_s)
    connected.setblocking(False)
    return connected, result


async def _fill_queue(address: Address, spec: ProbeSpec, request: bytes, held: Callable[[], None]) -> ProbeResult:
    """Fill a listen queue, and wait for the answer to the first connection in it and for the first connection past it."""
    loop = asyncio.get_running_loop()
    queued: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    began_s = past_s = loop.time()
    connecting = asyncio.create_task(asyncio.open_connection(address.host, address.port))
    try:
        while (await asyncio.wait({connecting}, timeout=IN_QUEUE_WITHIN_S))[0] and len(queued) < MOST_IN_QUEUE:
            queued.append(connecting.result())
            queued[-1][1].write(request)
            past_s = loop.time()
            connecting = asyncio.create_task(asyncio.open_connection(address.host, address.port))
        held()
        first = asyncio.create_task(queued[0][0].read(READ_BYTES)) if queued else connecting
        began = {first: began_s, connecting: past_s}
        took_s: dict[asyncio.Task[Any], float] = {}
        while len(took_s) < len(began) and (left_s := spec.within_s - (loop.time() - past_s)) > 0:
            done, _ = await asyncio.wait(began.keys() - took_s.keys(), timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            took_s |= {task: loop.time() - began[task] for task in done if task.exception() is None}
            if any(task.exception() is not None for task in done):
                break
        if connecting.done() and connecting.exception() is None:
            queued.append(connecting.result())
        connected = connecting in took_s
        return ProbeResult(
            "answered" if first in took_s and connected else "silent" if connected else "unconnected",
            took_s.get(connecting, loop.time() - past_s),
            first_byte_s=took_s.get(first),
            queued=len(queued) - connected,
        )
    finally:
        connecting.cancel()
        for _, writer in queued:
            writer.transport.abort()


class Connection:
    """An open connection, and what is known of it so far."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, result: ProbeResult) -> None:
        self._reader = reader
        self._writer = writer
        self.result = result

    async def request(self, request: bytes, within_s: float, is_complete: Callable[[bytes], bool]) -> ProbeResult:
        """Send a request and read until its answer is complete, the connection ends, or `within_s` seconds are over."""
        loop = asyncio.get_running_loop()
        self._writer.write(request)
        sent_s, received, first_s, last_s = loop.time(), b"", None, None
        ended: ProbeEnd = "silent"
        while (left_s := within_s - (loop.time() - sent_s)) > 0:
            try:
                async with asyncio.timeout(left_s):
                    chunk = await self._reader.read(READ_BYTES)
            except TimeoutError:
                break
            except OSError:
                ended = "reset"
                break
            if not chunk:
                ended = "closed"
                break
            received += chunk
            last_s = loop.time() - sent_s
            first_s = last_s if first_s is None else first_s
            if is_complete(received):
                ended = "answered"
                break
        size_bytes = self.result.size_bytes + len(received)
        self.result = replace(self.result, ended=ended, first_byte_s=first_s, last_byte_s=last_s, size_bytes=size_bytes)
        return self.result

    async def wait_cut(self, within_s: float) -> ProbeResult:
        """Wait until the connection is cut, or `within_s` seconds are over."""
        try:
            async with asyncio.timeout(within_s):
                chunk = await self._reader.read(READ_BYTES)
        except TimeoutError:
            return self.result
        except OSError:
            return replace(self.result, ended="reset")
        return self.result if chunk else replace(self.result, ended="closed")


def _is_rejected(received: bytes) -> bool:
    """Whether a whole ErrorResponse was received: its type, and as many bytes as it says (PostgreSQL's protocol 3.0)."""
    return received[:1] == b"E" and len(received) >= HEAD_BYTES and len(received) > int.from_bytes(received[1:HEAD_BYTES], "big")


def is_http(received: bytes) -> bool:
    """Whether an HTTP answer is complete: its head, and a body of the length that the head says; without a length, never."""
    head, end, body = received.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(end) and bool(lengths) and len(body) >= int(lengths[0])


class ProbeTask:
    """A probe that runs as a task. See `Probe`."""

    def __init__(self, link: str, work: Callable[[Callable[[], None]], Coroutine[Any, Any, ProbeResult]]) -> None:
        """Start the work; it calls its argument as soon as the connection is established."""
        self.link = link
        self._held = asyncio.Event()
        self._task = asyncio.create_task(work(self._held.set))

    async def wait_held(self) -> None:
        """Wait until the connection is established; raises FacilityError when the probe ends before."""
        waiting = asyncio.create_task(self._held.wait())
        try:
            await asyncio.wait([self._task, waiting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if not self._held.is_set():
            raise FacilityError(f"no probe could be held over the link to {self.link}: {self._task.result()}")

    async def wait_result(self) -> ProbeResult:
        """Wait until the probe has ended, and return its result."""
        return await self._task

    async def end(self) -> None:
        """Stop the probe, whatever it still waits for."""
        await cancel_and_wait([self._task])


class LocalProbe(ProbeTask):
    """A probe made by this process, for links on loopback."""

    def __init__(self, link: str, address: Address, spec: ProbeSpec) -> None:
        super().__init__(link, lambda held: ask(address, spec, database=link == "database", held=held))


def report(work: Callable[[Callable[[], None]], Coroutine[Any, Any, ProbeResult]]) -> None:
    """Run a probe; print a line when it is held, and a line of JSON with its result. Its argument is what it calls when it is held."""
    result = asyncio.run(work(lambda: _print("held")))
    _print(json.dumps(asdict(result)))


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the probe of the command line."""
    host, port, link, spec = sys.argv[1:]
    address, asked = Address(host, int(port)), ProbeSpec(**json.loads(spec))
    report(lambda held: ask(address, asked, database=link == "database", held=held))
    return 0


if __name__ == "__main__":
    sys.exit(main())
