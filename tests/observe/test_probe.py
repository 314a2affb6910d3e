from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from testbed.errors import FacilityError
from testbed.facility.address import Address
from testbed.facility.probe import ProbeResult, ProbeSpec
from testbed.observe.probe import GSS_REQUEST, SSL_REQUEST, STARTUP, LocalProbe, ask
from testbed.runtime.processes.packet_filter import ProcessPacketFilter
from testbed.runtime.proxied_link import NOWHERE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from testbed.facility.link import Link

    Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def like_postgres(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as PostgreSQL does, as far as a probe asks."""
    while len(head := await reader.read(8)) == 8:
        if head in (SSL_REQUEST, GSS_REQUEST):
            writer.write(b"N")
        else:
            await reader.readexactly(len(STARTUP) - 8)
            writer.write(b"E" + (200).to_bytes(4, "big") + b"r" * 196)
    writer.close()


def tidied(serve: Serve, ended: asyncio.Semaphore) -> Serve:
    """Serve, and close what is left of the connection, whichever side has ended it; then `ended` is one more."""

    async def serving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()
            ended.release()

    return serving


async def wait_ended(ended: asyncio.Semaphore, connections: int) -> None:
    """Wait until the server has seen the end of so many connections."""
    async with asyncio.timeout(5.0):
        for _ in range(connections):
            await ended.acquire()


async def probed(serve: Serve, spec: ProbeSpec) -> ProbeResult:
    """Probe a server of this test; return the result."""
    ended = asyncio.Semaphore(0)
    server = await asyncio.start_server(tidied(serve, ended), "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        result = await ask(Address(host, port), spec, database=True)
        await wait_ended(ended, 1)
    return result


@pytest.mark.alone
@pytest.mark.parametrize("kind", ["connect", "requests", "log_in", "hold"])
async def test_a_link_that_works_answers_every_question(kind: str) -> None:
    """And it is told how long that took."""
    result = await probed(like_postgres, ProbeSpec(kind, within_s=0.3))  # type: ignore[arg-type]
    assert result.ended == "answered"
    assert 0 < result.connected_s < 0.3


@pytest.mark.fact("A3")
async def test_nobody_there_is_a_refusal() -> None:
    """At once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert (await ask(Address("127.0.0.1", port), ProbeSpec("connect", within_s=1.0), database=True)).ended == "refused"


@pytest.mark.parametrize(("error", "ended"), [(ConnectionResetError, "reset"), (TimeoutError, "unconnected"), (OSError, "unconnected")])
async def test_a_reset_that_comes_while_it_connects_is_one(monkeypatch: pytest.MonkeyPatch, error: type[OSError], ended: str) -> None:
    """Who is accepted and reset at once may be told before the attempt is over."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", fail)
    assert (await ask(NOWHERE, ProbeSpec("log_in", within_s=1.0), database=True)).ended == ended


async def test_an_end_a_reset_and_silence_are_told_apart() -> None:
    """By FIN, by RST, and by nothing."""

    async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await reader.read(1000)
        writer.write(b"half an ans")
        writer.close()

    async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def stays(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    spec = ProbeSpec("log_in", within_s=0.3)
    results = [await probed(serve, spec) for serve in (closes, resets, stays)]
    assert [result.ended for result in results] == ["closed", "reset", "silent"]
    assert [result.size_bytes for result in results] == [11, 0, 0]


async def test_a_probe_that_holds_sees_that_it_is_cut() -> None:
    """And a probe that could not be held says what it saw."""
    cut = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"N")
        await cut.wait()
        writer.close()

    async with await asyncio.start_server(tidied(serve, asyncio.Semaphore(0)), "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        probe = LocalProbe("database", Address(host, port), ProbeSpec("hold", within_s=5.0))
        await probe.wait_held()
        cut.set()
        assert (await probe.wait_result()).ended == "closed"
    with pytest.raises(FacilityError, match="refused"):
        await LocalProbe("database", NOWHERE, ProbeSpec("hold", within_s=1.0)).wait_held()


@pytest.mark.fact("W2", "A4")
async def test_a_queue_is_filled_and_who_waited_is_told_of_when_it_is_served() -> None:
    """The kernel completes so many connections for a listener that does not accept; past them, attempts wait."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2)
        host, port = listener.getsockname()
        probe = LocalProbe("cf-1", Address(host, port), ProbeSpec("queue", within_s=10.0))
        await probe.wait_held()
        listener.setblocking(False)
        ended = asyncio.Semaphore(0)
        server = await asyncio.start_server(tidied(_answers, ended), sock=listener)
        async with server:
            result = await probe.wait_result()
            await wait_ended(ended, result.queued + 1)
    assert result.ended == "answered"
    assert result.queued in (2, 3)  # Linux lets one more in than it was told
    assert result.connected_s >= 0.5
    assert str(result).startswith(f"{result.queued} in the queue, the first of them had its answer after")


async def _answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1000)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


class Listening:
    """As much of a link as a packet filter needs: an address, and a listener that can be closed."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address(*self.listener.getsockname())

    async def disable(self) -> None:
        """Close the listener."""
        self.listener.close()

    async def enable(self) -> None:
        """Listen again."""
        self.listener = socket.create_server((self.address.host, self.address.port))


@pytest.mark.fact("W2")
async def test_attempts_to_connect_are_dropped_and_let_through_again() -> None:
    """Nobody refuses them while they are dropped."""
    listening, queues = Listening(), ProcessPacketFilter()
    link: Link = listening  # type: ignore[assignment]
    spec = ProbeSpec("connect", within_s=0.4)
    await queues.drop("database", link)
    assert (await ask(listening.address, spec, database=True)).ended == "unconnected"
    assert await queues.left() == ("attempts to connect to database are dropped",)
    await queues.accept("database", link)
    assert (await ask(listening.address, spec, database=True)).ended == "answered"
    assert await queues.left() == ()
    listening.listener.close()


async def test_a_probe_can_be_made_from_the_command_line() -> None:
    """Where it is to be made from somewhere else: a line when it is held, and one with what it saw."""
    async with await asyncio.start_server(tidied(like_postgres, asyncio.Semaphore(0)), "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        command = (sys.executable, "-m", "testbed.observe.probe", host, str(port), "database", '{"kind": "hold", "within_s": 1.0}')
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
    held, result = out.decode().splitlines()
    assert held == "held"
    assert json.loads(result)["ended"] == "answered"
