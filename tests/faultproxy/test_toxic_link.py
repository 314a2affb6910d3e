from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.faultproxy import fast_path
from testbed.faultproxy.activity import Activity, Traffic
from testbed.faultproxy.address import ANY_PORT
from testbed.faultproxy.connection import DOWNSTREAM, UPSTREAM
from testbed.faultproxy.proxy import Proxy
from testbed.faultproxy.stage import NamedToxic
from testbed.faultproxy.toxic_link import ConnectionControl, ToxicLink
from testbed.faultproxy.toxics.bandwidth import Bandwidth
from testbed.faultproxy.toxics.idle_drop import IdleDrop
from testbed.faultproxy.toxics.latency import Latency
from testbed.faultproxy.toxics.lifetime import Lifetime
from testbed.faultproxy.toxics.limit_data import LimitData
from testbed.faultproxy.toxics.noop import Noop
from testbed.faultproxy.toxics.reset_peer import ResetPeer
from testbed.faultproxy.toxics.silence import Silence
from testbed.faultproxy.toxics.slicer import Slicer
from testbed.faultproxy.toxics.slow_close import SlowClose
from tests.faultproxy.servers import NO_LINGER, WITHIN_S, ApiClient, Wire, address_of, is_silent, read_address, receive, rest

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.faultproxy.stage import Toxic

LONG_MS = 600_000
CAN_SPLICE = tuple({fast_path.CAN_SPLICE, False})  # as this system can, and as others do
LOOPS = (asyncio.new_event_loop, uvloop.new_event_loop)  # the server runs on the second where there is one


@dataclass(frozen=True, slots=True)
class Send:
    """Send `size` bytes on a stream."""

    stream: str
    size: int


@dataclass(frozen=True, slots=True)
class Put:
    """Add this toxic, or change the one that has its name."""

    toxic: NamedToxic


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the toxic of this name, when there is one."""

    name: str


@dataclass(frozen=True, slots=True)
class Receive:
    """Receive on a stream what is there; before and after that its receiver has stopped."""

    stream: str


@dataclass(frozen=True, slots=True)
class End:
    """End a stream; nothing is sent on it later."""

    stream: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Run the other tasks for some milliseconds."""

    milliseconds: int


Step = Send | Receive | End | Put | Remove | Pause

SIZES = st.one_of(st.integers(1, 50), st.integers(1, 60_000), st.integers(100_000, 3_000_000))
LOSSLESS: st.SearchStrategy[Toxic] = st.one_of(
    st.builds(Noop),
    st.builds(Latency, st.one_of(st.integers(0, 4), st.just(LONG_MS)), st.integers(0, 4)),
    st.builds(Bandwidth, st.one_of(st.integers(0, 2), st.integers(5_000, 100_000))),
    st.builds(Slicer, st.integers(300, 5_000), st.integers(0, 300), st.integers(0, 500)),
    st.builds(SlowClose, st.one_of(st.integers(0, 4), st.just(LONG_MS))),
    st.builds(ResetPeer, st.just(LONG_MS)),
    st.builds(Silence),
    st.builds(IdleDrop, st.just(LONG_MS)),
    st.builds(Lifetime, st.just(LONG_MS), st.integers(0, 1)),
    st.builds(LimitData, st.just(10**12)),
)
STREAMS = st.sampled_from([UPSTREAM, DOWNSTREAM])
TOXICS = st.builds(NamedToxic, st.sampled_from("abc"), st.just("any"), STREAMS, st.sampled_from([0.0, 1.0, 1.0]), LOSSLESS)
STEPS = st.lists(
    st.one_of(
        st.builds(Send, STREAMS, SIZES),
        st.builds(Send, STREAMS, SIZES),
        st.builds(Receive, STREAMS),
        st.builds(Put, TOXICS),
        st.builds(Remove, st.sampled_from("abc")),
        st.builds(Pause, st.integers(0, 2)),
        st.builds(End, STREAMS),
    ),
    max_size=40,
)


class Conversation:
    """A proxy on the running loop, one connection through it, and what was sent and received at both of its ends."""

    def __init__(self) -> None:
        self.sent = {UPSTREAM: b"", DOWNSTREAM: b""}
        self.received = {UPSTREAM: b"", DOWNSTREAM: b""}
        self._ended: set[str] = set()
        self._random = random.Random(1)
        self._accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def begin(self) -> None:
        """Open the connection."""
        self.server = await asyncio.start_server(lambda *ends: self._accepted.put_nowait(ends), "127.0.0.1", 0)
        self.proxy = Proxy("p", ANY_PORT, address_of(self.server.sockets[0]))
        await self.proxy.enable()
        client = await asyncio.open_connection(*read_address(self.proxy.listen))
        upstream = await self._accepted.get()
        self.senders = {UPSTREAM: client[1], DOWNSTREAM: upstream[1]}
        self.receivers = {UPSTREAM: upstream[0], DOWNSTREAM: client[0]}

    async def take(self, step: Step) -> None:
        """Run a step."""
        if isinstance(step, Send):
            if step.stream not in self._ended:
                data = self._random.randbytes(step.size)
                self.sent[step.stream] += data
                self.senders[step.stream].write(data)
        elif isinstance(step, Receive):
            with suppress(TimeoutError):
                async with asyncio.timeout(0.002):
                    self.received[step.stream] += await self.receivers[step.stream].read(1_000_000)
        elif isinstance(step, End):
            self._end(step.stream)
        elif isinstance(step, Pause):
            await asyncio.sleep(step.milliseconds / 1000)
        elif isinstance(step, Remove):
            if step.name in self.proxy.toxics:
                self.proxy.remove_toxic(step.name)
        elif step.toxic.name in self.proxy.toxics:
            self.proxy.change_toxic(replace(step.toxic, stream=self.proxy.toxics[step.toxic.name].stream))
        else:
            self.proxy.add_toxic(step.toxic)

    def _end(self, stream: str) -> None:
        if stream not in self._ended:
            self._ended.add(stream)
            self.senders[stream].write_eof()

    async def wait_end(self) -> None:
        """End both streams, and receive what is still to come, which must be everything."""
        for stream in self.senders:
            self._end(stream)
        for name in list(self.proxy.toxics):
            self.proxy.remove_toxic(name)
        async with asyncio.timeout(WITHIN_S):
            rests = await asyncio.gather(*(self.receivers[stream].read() for stream in self.received))
            for stream, rest_of_it in zip(self.received, rests, strict=True):
                self.received[stream] += rest_of_it
            while self.proxy._connections:  # noqa: SLF001 - nobody but these tests asks
                await asyncio.sleep(0.001)

    async def close(self) -> None:
        """Leave nothing behind."""
        for sender in self.senders.values():
            sender.close()
            await sender.wait_closed()
        await self.proxy.disable()
        self.server.close()
        await self.server.wait_closed()


async def converse(steps: list[Step]) -> tuple[dict[str, bytes], dict[str, bytes], int]:
    """Run the steps; return what was sent, what was received, and how many tasks are left."""
    conversation = Conversation()
    await conversation.begin()
    for step in steps:
        await conversation.take(step)
    await conversation.wait_end()
    await conversation.close()
    await asyncio.sleep(0)
    return conversation.sent, conversation.received, len(asyncio.all_tasks()) - 1


@pytest.mark.parametrize("can_splice", CAN_SPLICE)
@pytest.mark.parametrize("loop", LOOPS)
@settings(  # 100 examples for each way; `pytest --hypothesis-profile thorough` tries more (tests/conftest.py)
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_toxics_that_come_change_and_go_neither_lose_nor_double_nor_reorder_a_byte(
    monkeypatch: pytest.MonkeyPatch, loop: Callable[[], asyncio.AbstractEventLoop], can_splice: object, steps: list[Step]
) -> None:
    """Whatever is done to the toxics of a connection while bytes pass both ways, on systems with splice and without; no task is left."""
    monkeypatch.setattr(fast_path, "CAN_SPLICE", can_splice)
    with asyncio.Runner(loop_factory=loop) as runner:
        sent, received, left = runner.run(converse(steps))
    assert received == sent
    assert left == 0


@pytest.mark.parametrize("loop", LOOPS)
def test_removing_a_toxic_that_is_full_keeps_the_order(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """The chunk that a sender waits with comes after those that wait before a removed toxic."""
    steps: list[Step] = [Put(NamedToxic(name, "any", UPSTREAM, 1.0, Bandwidth(0))) for name in "ab"]
    steps += [Send(UPSTREAM, 600_000), Pause(30), Remove("a"), Remove("b"), Send(UPSTREAM, 100_000)]
    with asyncio.Runner(loop_factory=loop) as runner:
        sent, received, _ = runner.run(converse(steps))
    assert received == sent


@pytest.mark.parametrize("kind", ["noop", "latency"])
def test_a_receiver_that_has_stopped_delays_no_change_of_toxics(wire: Wire, kind: str) -> None:
    """The API answers while the receiver has stopped, and everything arrives in order when it continues."""
    wire.add(kind)
    client, upstream = wire.connect()
    data = random.Random(1).randbytes(20_000_000)
    sender = threading.Thread(target=upstream.sendall, args=(data,))
    sender.start()
    for _ in range(3):
        wire.api.change("wire", f"{kind}_downstream", toxicity=1)
        wire.api.remove("wire", f"{kind}_downstream")
        wire.add(kind)
    assert receive(client, len(data)) == data
    sender.join()


def test_a_sender_is_held_back_when_the_receiver_has_stopped(wire: Wire) -> None:
    """What the proxy holds for a receiver that has stopped is bounded."""
    wire.add("noop")
    client, upstream = wire.connect()
    upstream.settimeout(0.2)
    taken = 0
    with pytest.raises(TimeoutError):  # noqa: PT012 - which of the sends fails is what is asked
        while taken < 200_000_000:
            taken += upstream.send(b"x" * 1_000_000)
    assert taken < 100_000_000
    wire.api.ask("DELETE", "/proxies/wire")
    assert len(rest(client)) <= taken


class TestEnds:
    """How a connection ends is passed on."""

    @pytest.mark.parametrize("toxics", [[], ["noop"], ["noop", "latency"]])
    def test_a_half_close_passes(self, wire: Wire, toxics: list[str]) -> None:
        """A side that has ended its stream still receives the answer."""
        for kind in toxics:
            wire.add(kind)
            wire.add(kind, "upstream")
        client, upstream = wire.connect()
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        assert rest(upstream) == b"question"
        upstream.sendall(b"answer")
        upstream.close()
        assert rest(client) == b"answer"

    def test_the_upstream_may_end_first(self, wire: Wire) -> None:
        """An upstream that has ended its stream still receives from the client."""
        client, upstream = wire.connect()
        upstream.shutdown(socket.SHUT_WR)
        assert rest(client) == b""
        client.sendall(b"heard")
        client.close()
        assert rest(upstream) == b"heard"

    @pytest.mark.parametrize("who", ["client", "upstream"])
    def test_a_side_that_is_gone_takes_the_other_with_it(self, wire: Wire, who: str) -> None:
        """A reset of one side ends the whole connection."""
        client, upstream = wire.connect()
        gone, left = (client, upstream) if who == "client" else (upstream, client)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        gone.close()
        assert rest(left) == b""
        _wait_closed(left)

    def test_what_was_sent_before_the_end_comes_whole(self, wire: Wire) -> None:
        """A side that sends much and closes at once is heard to its last byte."""
        client, upstream = wire.connect()
        data = random.Random(1).randbytes(3_000_000)

        def send() -> None:
            upstream.sendall(data)
            upstream.close()

        sender = threading.Thread(target=send)
        sender.start()
        assert rest(client) == data
        sender.join()

    def test_an_upstream_that_refuses_ends_the_client_and_not_the_proxy(self, api: ApiClient) -> None:
        """The client is accepted and sees the end; when the upstream is there, the next client is served."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = address_of(listener)
        listen = read_address(api.create("db", address)["listen"])
        with socket.create_connection(listen, timeout=WITHIN_S) as client:
            assert rest(client) == b""
        with socket.create_server(read_address(address)) as listener, socket.create_connection(listen, timeout=WITHIN_S) as client:
            client.sendall(b"hello")
            upstream, _ = listener.accept()
            with upstream:
                assert receive(upstream, 5) == b"hello"

    @pytest.mark.parametrize("upstream", ["nowhere", "127.0.0.1:99999", "x" * 64 + ".invalid:1", "127.0.0.1:0"])
    def test_an_upstream_that_cannot_be_one_is_as_one_that_refuses(self, api: ApiClient, upstream: str) -> None:
        """A client of an impossible upstream sees the end of its connection."""
        with socket.create_connection(read_address(api.create("db", upstream)["listen"]), timeout=WITHIN_S) as client:
            assert rest(client) == b""

    def test_an_upstream_that_does_not_answer_delays_its_own_client_only(self, api: ApiClient) -> None:
        """A client of an upstream that never accepts (A4) waits until the proxy is disabled; others are served."""
        with socket.create_server(("127.0.0.1", 0), backlog=0) as dead, socket.create_connection(dead.getsockname()):
            listen = read_address(api.create("dead", address_of(dead))["listen"])
            clients = [socket.create_connection(listen, timeout=WITHIN_S) for _ in range(3)]
            clients[0].sendall(b"unheard")
            assert is_silent(clients[-1])
            other = Wire(api, "other")
            client, upstream = other.connect()
            client.sendall(b"served")
            assert receive(upstream, 6) == b"served"
            api.ask("POST", "/proxies/dead", {"enabled": False})
            for waiting in clients:
                assert rest(waiting) == b""
                waiting.close()
            other.close()


def _wait_closed(end: socket.socket) -> None:
    """Wait until sending fails, as it does where the other side is closed and has not just ended its stream."""
    deadline = time.monotonic() + WITHIN_S
    with suppress(BrokenPipeError, ConnectionResetError):
        while True:
            assert time.monotonic() < deadline, f"the other side still accepts data after {WITHIN_S:.0f} s"
            end.sendall(b"anybody there?")


async def accept_and_disable(yields: int) -> tuple[bytes, int]:
    """Disable a proxy `yields` turns of the loop after a client connects; return what the client receives and the connections left."""
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        proxy = Proxy("p", ANY_PORT, address_of(upstream))
        await proxy.enable()
        with socket.create_connection(read_address(proxy.listen), timeout=WITHIN_S) as client:
            for _ in range(yields):
                await asyncio.sleep(0)
            await proxy.disable()
            for _ in range(20):
                await asyncio.sleep(0.0005)
            client.settimeout(0.01)
            try:
                received = client.recv(1)
            except ConnectionResetError:
                received = b""
            except TimeoutError:
                received = b"nothing"
            return received, len(proxy._connections)  # noqa: SLF001 - nobody but these tests asks


@pytest.mark.parametrize("loop", LOOPS)
def test_no_connection_outlives_the_proxy_being_disabled(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """A connection accepted at the moment of disabling ends, whichever turn of the loop that is."""
    for yields in range(12):
        with asyncio.Runner(loop_factory=loop) as runner:
            assert runner.run(accept_and_disable(yields)) == (b"", 0)


async def send_without_end(end: socket.socket) -> None:
    """Send, and never pause."""
    while True:
        await asyncio.get_running_loop().sock_sendall(end, b"x" * 100_000)


async def receive_without_end(end: socket.socket) -> None:
    """Receive until the end."""
    while await asyncio.get_running_loop().sock_recv(end, 1_000_000):
        pass


async def test_a_toxic_leaves_although_the_sender_never_pauses() -> None:
    """A removed toxic hands on what waits at that moment, and not what arrives later."""
    (sender, source), (target, receiver) = socket.socketpair(), socket.socketpair()
    for end in (sender, source, target, receiver):
        end.setblocking(False)
    traffic = Traffic()
    link = ToxicLink(source, target, Activity(0.0, 0.0), traffic, ConnectionControl(lambda: None, lambda: None, lambda _: None))
    link.add(NamedToxic("t", "noop", UPSTREAM, 1.0, Noop()))
    running = [asyncio.create_task(work) for work in (send_without_end(sender), receive_without_end(receiver), link.run())]
    async with asyncio.timeout(WITHIN_S):
        while traffic.sent_bytes < 1_000_000:
            await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1 + len(running) + 1
        link.remove("t")
        while len(asyncio.all_tasks()) > 1 + len(running):
            await asyncio.sleep(0)
        went_on_at = traffic.sent_bytes
        while traffic.sent_bytes < went_on_at + 1_000_000:
            await asyncio.sleep(0)
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    for end in (sender, source, target, receiver):
        end.close()
