from __future__ import annotations

import asyncio
import errno
import random
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from testbed.faultproxy import fast_path
from testbed.faultproxy.activity import Activity, Traffic
from testbed.faultproxy.fast_path import PIPE_BYTES, FastPath, Pipe, StopReason
from tests.faultproxy.servers import NO_LINGER, WITHIN_S, Wire, is_silent, receive, rest
from tests.faultproxy.test_toxic_link import LOOPS
from tests.faultproxy.test_toxics import both_streams, ends, is_reset, sending

if TYPE_CHECKING:
    from collections.abc import Callable

BULK = random.Random(1).randbytes(8_000_000)
ROOM_BYTES = 30_000_000  # more than all buffers on the way hold


@pytest.fixture(params=["spliced", "received", "no pipe", "refused"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Pass bulk as this system can; as one without splice does; as one that has no more pipes to give; as one whose kernel refuses it."""
    if request.param == "received":
        monkeypatch.setattr(fast_path, "CAN_SPLICE", False)
    elif request.param == "no pipe":
        monkeypatch.setattr(fast_path, "Pipe", _no_pipe)
    elif request.param == "refused":
        monkeypatch.setattr(fast_path.os, "splice", _refuse, raising=False)
    way: str = request.param
    return way


def fill(end: socket.socket) -> int:
    """Send bulk until no more is accepted; return how many bytes were."""
    taken = 0
    end.settimeout(0.1)
    try:
        while True:
            taken += end.send(memoryview(BULK)[taken % len(BULK) :][:100_000])
    except TimeoutError:
        return taken
    finally:
        end.settimeout(WITHIN_S)


def bulk(size: int) -> bytes:
    """Return the first `size` bytes of what `fill` sends."""
    return (BULK * (size // len(BULK) + 1))[:size]


def wire_metric(wire: Wire, kind: str) -> float:
    """Return the metric of the bytes received, or sent, downstream."""
    start = f"toxiproxy_proxy_{kind}_bytes_total{{"
    (sample,) = (
        line for line in wire.api.ask("GET", "/metrics").text.splitlines() if line.startswith(start) and 'direction="downstream"' in line
    )
    return float(sample.rpartition(" ")[2])


def _no_pipe() -> Pipe:
    raise OSError("too many open files")


def _refuse(*_: object, **__: object) -> int:
    raise OSError(errno.EINVAL, "Invalid argument")


@pytest.fixture
def pipes(monkeypatch: pytest.MonkeyPatch) -> list[Pipe]:
    """Return the list of every pipe that is opened."""
    made: list[Pipe] = []
    original = fast_path.Pipe

    def make() -> Pipe:
        made.append(original())
        return made[-1]

    monkeypatch.setattr(fast_path, "Pipe", make)
    return made


@both_streams
def test_bulk_comes_whole_and_then_its_end(wire: Wire, stream: str) -> None:
    """Bulk arrives whole and then its end, and the other direction can be used after that."""
    sender, receiver = ends(wire, stream)
    with sending(sender, BULK):
        assert receive(receiver, len(BULK)) == BULK
    sender.shutdown(socket.SHUT_WR)
    assert rest(receiver) == b""
    receiver.sendall(b"and back")
    receiver.close()
    assert rest(sender) == b"and back"


def test_bulk_and_small_data_take_turns(wire: Wire) -> None:
    """Bulk and small data arrive in the order in which they were sent."""
    client, upstream = wire.connect()
    for number in range(20):
        data = BULK[: 300_000 if number % 2 else 3]
        with sending(upstream, data):
            assert receive(client, len(data)) == data
        client.sendall(bytes([number]))
        assert receive(upstream, 1) == bytes([number])


def test_only_bulk_takes_a_pipe_and_gives_it_back(wire: Wire, pipes: list[Pipe], way: str) -> None:
    """Small data opens no pipe, and the pipe of bulk is closed with the connection."""
    client, upstream = wire.connect()
    for _ in range(100):
        client.sendall(b"small")
        assert receive(upstream, 5) == b"small"
    assert pipes == []
    with sending(upstream, BULK):
        assert receive(client, len(BULK)) == BULK
    wire.api.ask("DELETE", "/proxies/wire")
    if way == "spliced" and fast_path.CAN_SPLICE:
        (pipe,) = pipes
        with pytest.raises(OSError, match="Bad file descriptor"):
            pipe.close()


@both_streams
def test_bytes_that_are_held_come_before_what_toxics_do_to_the_rest(wire: Wire, stream: str) -> None:
    """Toxics added and removed while the receiver has stopped lose, double and reorder nothing."""
    sender, receiver = ends(wire, stream)
    data = BULK * (ROOM_BYTES // len(BULK))

    def send() -> None:
        sender.sendall(data)
        sender.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    for kind in ("noop", "silence", "latency"):
        is_silent(sender)
        wire.add(kind, stream)
        is_silent(sender)
        wire.api.remove("wire", f"{kind}_{stream}")
    assert rest(receiver) == data
    thread.join()


def test_a_toxic_that_closes_lets_what_was_passed_on_before_it_come_first(wire: Wire) -> None:
    """Bytes in transit when the toxic is added have passed it already, and the end does not overtake them."""
    client, upstream = wire.connect()
    fill(upstream)
    passed = 0
    while passed < (passed := int(wire_metric(wire, "received"))):  # until nothing more is read
        time.sleep(0.05)
    wire.add("timeout", timeout=50)
    time.sleep(0.2)
    assert rest(client) == bulk(passed)


def test_bulk_is_counted(wire: Wire) -> None:
    """Bytes that did not enter Python are in the metrics, too."""
    client, upstream = wire.connect()
    with sending(upstream, BULK):
        assert receive(client, len(BULK)) == BULK
    assert [wire_metric(wire, kind) for kind in ("received", "sent")] == [len(BULK)] * 2


@pytest.mark.parametrize("leaves", ["end", "reset"])
def test_a_receiver_that_leaves_amid_bulk_takes_the_sender_with_it(wire: Wire, leaves: str) -> None:
    """The sender is not left to send for ever, and the proxy keeps nothing of the connection."""
    client, upstream = wire.connect()
    if leaves == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)

    def leave() -> None:
        receive(client, 1_000_000)
        client.close()

    thread = threading.Thread(target=leave)
    thread.start()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012 - which of the sends fails is what is asked
        while True:
            upstream.sendall(BULK)
    thread.join()


def test_a_sender_that_is_reset_amid_bulk_ends_the_receiver(wire: Wire) -> None:
    """A reset sender's bytes that arrived are passed on, and then the end."""
    client, upstream = wire.connect()
    upstream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    fill(upstream)
    upstream.close()
    received = rest(client)
    assert received == bulk(len(received))


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection; the second is non-blocking."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        blocking = socket.create_connection(listener.getsockname(), timeout=WITHIN_S)
        non_blocking, _ = listener.accept()
    non_blocking.setblocking(False)
    return blocking, non_blocking


async def pass_until_reset(size: int) -> tuple[StopReason, int]:
    """Send `size` bytes and a reset before the loop runs; return why the fast path stopped and how many bytes arrived."""
    sender, source = tcp_pair()
    receiver, target = tcp_pair()
    with sender, source, receiver, target:
        running = asyncio.create_task(FastPath(source, target, Activity(0.0, 0.0), Traffic()).run())
        await asyncio.sleep(0.01)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        sender.sendall(BULK[:size])
        sender.close()
        async with asyncio.timeout(WITHIN_S):
            reason = await running
        target.close()
        return reason, len(rest(receiver))


@pytest.mark.parametrize("size", [0, 5, 65_536, 100_000])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_reset_that_comes_with_the_last_bytes_is_met(loop: Callable[[], asyncio.AbstractEventLoop], size: int) -> None:
    """A reset right after the last bytes is noticed although the loop may call back only once, and the bytes are passed on."""
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(pass_until_reset(size)) == (StopReason.SENDER_GONE, size)


async def pass_to_reset_receiver() -> StopReason:
    """Reset a receiver that has stopped, with bytes of its own still unread; return why the fast path stopped."""
    sender, source = tcp_pair()
    receiver, target = tcp_pair()
    with sender, source, receiver, target:
        running = asyncio.create_task(FastPath(source, target, Activity(0.0, 0.0), Traffic()).run())
        await asyncio.to_thread(fill, sender)
        receiver.sendall(b"unread")
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        receiver.close()
        async with asyncio.timeout(WITHIN_S):
            return await running


@pytest.mark.parametrize("loop", LOOPS)
def test_a_receiver_that_is_reset_while_it_is_waited_for_is_noticed(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """The fast path stops when the receiver that it waits for is reset."""
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(pass_to_reset_receiver()) is StopReason.RECEIVER_GONE


def test_both_ends_may_stop_and_vanish_amid_bulk(wire: Wire) -> None:
    """A connection whose ends both stopped reading and were reset leaves nothing to wait for."""
    client, upstream = wire.connect()
    for end in (client, upstream):
        fill(end)
    for end in (client, upstream):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        end.close()
    wire.api.ask("POST", "/proxies/wire", {"enabled": False})
    assert wire.api.ask("GET", "/proxies/wire").body["enabled"] is False


def test_a_reset_amid_bulk_is_a_reset_to_both(wire: Wire) -> None:
    """A lifetime that ends by RST does not wait for a receiver that has stopped, and no end comes before it."""
    client, upstream = wire.connect()
    fill(upstream)
    wire.add("lifetime", lifetime=1, reset=1)
    assert is_reset(upstream)
    assert is_reset(client)


@pytest.mark.skipif(not fast_path.CAN_SPLICE, reason="this system has no splice")
def test_a_pipe_that_would_be_tiny_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe smaller than one read, as a user with many of them gets, is refused."""
    Pipe().close()
    monkeypatch.setattr(fast_path, "READ_BYTES", PIPE_BYTES * 64)
    with pytest.raises(OSError, match="too small"):
        Pipe()
