"""A probe: one connection over a link, made as those on this side of it make theirs, and what became of it.

A fault counts as active only when a probe has seen that it bites. `python -m testbed.observe.probe HOST PORT QUESTION` is a
probe made where the services stand that use the link: in their container, when they have one.
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


_LOG_IN = b"\0\3\0\0user\0flights\0database\0postgres\0\0"


STARTUP = (len(_LOG_IN) + 4).to_bytes(4, "big") + _LOG_IN


READY = b"Z\0\0\0\5I"


HEALTH = b"GET /health HTTP/1.1\r\nHost: facility\r\n\r\n"


async def ask(address: Address, question: ProbeSpec, *, database: bool, held: Callable[[], None] = lambda: None) -> ProbeResult:
    """Make one connection, and tell what became of it; `held` is called when it stands and its first request was answered."""
    if question.kind == "queue":
        return await _queue(address, question, STARTUP if database else HEALTH, held)
    near, seen = await asyncio.to_thread(_connect, address, question.within_s)
    if near is None:
        return seen
    reader, writer = await asyncio.open_connection(sock=near)
    connection = _Connection(reader, writer, seen)
    try:
        return await _converse(connection, question, database, held)
    finally:
        writer.transport.abort()


def _connect(address: Address, within_s: float) -> tuple[socket.socket | None, ProbeResult]:
    """Connect, and time it in a thread: nothing is between the clock and the kernel there, however busy the event loop is."""
    began_s = time.monotonic()
    try:
        near = socket.create_connection((address.host, address.port), within_s)
    except OSError as error:  # TimeoutError is one, and so is a host that cannot be reached
        return None, ProbeResult("refused" if isinstance(error, ConnectionRefusedError) else "unconnected", time.monotonic() - began_s)
    seen = ProbeResult("answered", time.monotonic() - began_s)
    near.setblocking(False)
    return near, seen


async def _converse(connection: _Connection, question: ProbeSpec, database: bool, held: Callable[[], None]) -> ProbeResult:  # noqa: FBT001
    if question.kind == "connect":
        return connection.seen
    if question.kind == "log_in":
        request = STARTUP if database else HEALTH
        return await connection.request(request, question.within_s, _is_logged_in if database else is_http)
    first = await connection.request(SSL_REQUEST if database else HEALTH, question.within_s, bool if database else is_http)
    if first.ended != "answered":
        return first
    held()
    if question.kind == "hold":
        return await connection.wait_cut(question.within_s)
    await asyncio.sleep(question.idle_s)
    return await connection.request(GSS_REQUEST if database else HEALTH, question.within_s, bool if database else is_http)


async def _queue(address: Address, question: ProbeSpec, request: bytes, held: Callable[[], None]) -> ProbeResult:
    """Fill a listen queue, and wait for what becomes of the first in it and of the first past it."""
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
        while len(took_s) < len(began) and (left_s := question.within_s - (loop.time() - past_s)) > 0:
            done, _ = await asyncio.wait(began.keys() - took_s.keys(), timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            took_s |= {one: loop.time() - began[one] for one in done if one.exception() is None}
            if any(one.exception() is not None for one in done):
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


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: ProbeResult) -> None:
        self._reader = reader
        self._writer = writer
        self.seen = seen

    async def request(self, request: bytes, within_s: float, is_complete: Callable[[bytes], bool]) -> ProbeResult:
        """Send a request and read until its answer is complete, or something else comes of it."""
        loop = asyncio.get_running_loop()
        self._writer.write(request)
        sent_s, received, first_s, last_s = loop.time(), b"", None, None
        ended: ProbeEnd = "silent"
        while (left_s := within_s - (loop.time() - sent_s)) > 0:
            try:
                async with asyncio.timeout(left_s):
                    some = await self._reader.read(READ_BYTES)
            except TimeoutError:
                break
            except OSError:
                ended = "reset"
                break
            if not some:
                ended = "closed"
                break
            received += some
            last_s = loop.time() - sent_s
            first_s = last_s if first_s is None else first_s
            if is_complete(received):
                ended = "answered"
                break
        self.seen = replace(
            self.seen, ended=ended, first_byte_s=first_s, last_byte_s=last_s, size_bytes=self.seen.size_bytes + len(received)
        )
        return self.seen

    async def wait_cut(self, within_s: float) -> ProbeResult:
        """Wait, and see whether the connection is cut."""
        try:
            async with asyncio.timeout(within_s):
                some = await self._reader.read(READ_BYTES)
        except TimeoutError:
            return self.seen
        except OSError:
            return replace(self.seen, ended="reset")
        return self.seen if some else replace(self.seen, ended="closed")


def _is_logged_in(received: bytes) -> bool:
    return READY in received


def is_http(received: bytes) -> bool:
    """Whether an answer of HTTP is complete: its head, and as much of a body as that says; one without a length never is."""
    head, end, body = received.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(end) and bool(lengths) and len(body) >= int(lengths[0])


class ProbeTask:
    """A probe that is made by a task. See `Probe`."""

    def __init__(self, link: str, work: Callable[[Callable[[], None]], Coroutine[Any, Any, ProbeResult]]) -> None:
        """Start the work, which is given what to call as soon as its connection stands."""
        self.link = link
        self._held = asyncio.Event()
        self._task = asyncio.create_task(work(self._held.set))

    async def wait_held(self) -> None:
        """Wait until its connection stands; raises FacilityError when that does not come."""
        waiting = asyncio.create_task(self._held.wait())
        try:
            await asyncio.wait([self._task, waiting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if not self._held.is_set():
            raise FacilityError(f"no probe could be held over the link to {self.link}: {self._task.result()}")

    async def wait_result(self) -> ProbeResult:
        """Wait until it has seen what it wanted to see."""
        return await self._task

    async def end(self) -> None:
        """End it, whatever it still waits for."""
        await cancel_and_wait([self._task])


class LocalProbe(ProbeTask):
    """A probe made by this process: where links are on loopback, those who use them stand nowhere else."""

    def __init__(self, link: str, address: Address, question: ProbeSpec) -> None:
        super().__init__(link, lambda held: ask(address, question, database=link == "database", held=held))


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Make the probe of the command line: a line when it is held, and a line with what it saw."""
    host, port, link, question = sys.argv[1:]
    seen = asyncio.run(
        ask(
            Address(host, int(port)),
            ProbeSpec(**json.loads(question)),
            database=link == "database",
            held=lambda: _print("held"),
        )
    )
    _print(json.dumps(asdict(seen)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
