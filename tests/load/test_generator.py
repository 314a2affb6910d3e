from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from testbed.errors import ServiceError
from testbed.facility.address import Address
from testbed.facility.load_generator import DueRequest, RequestEnded, RequestSent
from testbed.journal.events import Request
from testbed.load import generator
from testbed.load.client import CLOCKS_WITHIN_S, connect_over_tcp
from testbed.load.generator import PlannedRequest, decode, encode, send_all
from testbed.plan.clock import NightClock
from testbed.plan.trace import TraceRequest
from testbed.replay.load_tracker import LoadTracker
from testbed.replay.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from testbed.journal.events import Event


LATE_S = 5.0  # for a busy machine; a start on the wrong clock would be off by ahead_s
PROGRAM = (sys.executable, "-m", "testbed.load.generator")
# As on a virtual machine that began at another time: a namespace of the kernel (time_namespaces(7)), which takes root, or else the
# interpreter's own clock, shifted.
NAMESPACE = ("unshare", "--fork", "--kill-child", "--time", "--monotonic")
SHIFTED = """
import sys, time
ours = time.monotonic
time.monotonic = lambda: ours() + {ahead_s}
from testbed.load import generator
generator.main(sys.argv[1:])
"""


class Caller:
    """A caller that answers by the path: at once, with an error, by hanging up, or never."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.asked_s: list[float] = []  # on the event loop's clock
        self.released = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer as the path says."""
        word = request.match_info["what"]
        self.asked.append(word)
        self.asked_s.append(asyncio.get_running_loop().time())
        assert (await request.json())["passenger"].startswith("P")
        if word == "never":
            await self.released.wait()
        if word == "hang_up":
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=502 if word == "error" else 200, body=b"\\xff broken" if word == "error" else b"{}")


@pytest.fixture
async def caller() -> AsyncIterator[tuple[Caller, Address]]:
    """Run the caller; yield it and its address."""
    caller = Caller()
    app = web.Application()
    app.router.add_post("/transactions/{what}", caller.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield caller, Address("127.0.0.1", runner.addresses[0][1])
    caller.released.set()
    await runner.cleanup()


def planned(address: Address, *requests: tuple[float, str]) -> list[PlannedRequest]:
    """Return planned requests, each with its time."""
    body = json.dumps({"passenger": "P-1"})
    return [PlannedRequest(id_, due_s, f"{address.url}/transactions/{what}", body) for id_, (due_s, what) in enumerate(requests, start=1)]


async def sent(requests: list[PlannedRequest], until: int) -> list[RequestSent | RequestEnded]:
    """Send requests until `until` events have come; return these."""
    events: list[RequestSent | RequestEnded] = []
    stop = asyncio.Event()

    def record(event: RequestSent | RequestEnded) -> None:
        events.append(event)
        if len(events) == until:
            stop.set()

    await send_all(requests, time.monotonic() + 0.02, record, stop)
    return events


async def test_requests_leave_when_they_are_due_whether_or_not_others_came_back(caller: tuple[Caller, Address]) -> None:
    """Three that are never answered hold up none of those after them: the loop is open."""
    requests = planned(caller[1], *((number / 100, "never" if number < 3 else "at_once") for number in range(10)))
    events = await sent(requests, 10 + 7)
    assert sorted(event.id for event in events if isinstance(event, RequestSent)) == list(range(1, 11))
    assert sorted(event.id for event in events if isinstance(event, RequestEnded)) == list(range(4, 11))
    assert caller[0].asked.count("never") == 3


async def test_no_request_leaves_before_its_time(caller: tuple[Caller, Address]) -> None:
    """By more than a timer's grain; nor does it come back before it left."""
    requests = planned(caller[1], *((number / 50, "at_once") for number in range(5)))
    events = await sent(requests, 10)
    sent_s = {event.id: event.sent_s for event in events if isinstance(event, RequestSent)}
    assert all(sent_s[request.id] >= request.due_s - generator.SEND_AHEAD_S for request in requests)
    assert all(event.answered_s >= sent_s[event.id] for event in events if isinstance(event, RequestEnded))


async def test_a_request_is_sent_when_its_bytes_leave(caller: tuple[Caller, Address], monkeypatch: pytest.MonkeyPatch) -> None:
    """What connecting takes lies before that."""
    resolve = socket.getaddrinfo

    def slow(*args: Any, **options: Any) -> Any:
        time.sleep(0.1)  # in a thread of the resolver's
        return resolve(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    left, ended = await sent(planned(Address("localhost", caller[1].port), (0.0, "at_once")), 2)
    assert isinstance(left, RequestSent)
    assert isinstance(ended, RequestEnded)
    assert 0.1 <= left.sent_s <= ended.answered_s
    assert ended.status == 200


async def test_a_request_that_cannot_connect_is_sent_when_it_began_to() -> None:
    """A listen queue that is full is the facility's doing: the generator was not late."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.create_connection(listener.getsockname()):
        [left] = await sent(planned(Address(*listener.getsockname()), (0.0, "at_once")), 1)
    assert isinstance(left, RequestSent)
    assert left.sent_s < generator.CONNECTING_S


async def test_requests_are_sent_by_their_times_and_not_by_their_place(caller: tuple[Caller, Address]) -> None:
    """A trace need not be in order."""
    events = await sent(planned(caller[1], (0.04, "at_once"), (0.0, "at_once"), (0.02, "at_once")), 6)
    assert [event.id for event in events if isinstance(event, RequestSent)] == [2, 3, 1]


async def test_what_is_late_goes_out_at_once(caller: tuple[Caller, Address]) -> None:
    """Requests whose time has passed are sent, all of them, and say by how much they were late."""
    events = await sent(planned(caller[1], (-3.0, "at_once"), (-2.0, "at_once")), 4)
    assert [event.sent_s > -0.5 for event in events if isinstance(event, RequestSent)] == [True, True]


async def test_how_a_request_ended_is_told_with_status_or_error(caller: tuple[Caller, Address]) -> None:
    """An error's words, even if they are no text; a connection that breaks has no status; one that is refused neither."""
    requests = planned(caller[1], (0.0, "at_once"), (0.0, "error"), (0.0, "hang_up"))
    requests.append(PlannedRequest(4, 0.0, "http://127.0.0.1:1/transactions/x", "{}"))
    ended = {event.id: event for event in await sent(requests, 8) if isinstance(event, RequestEnded)}
    assert {id_: event.status for id_, event in ended.items()} == {1: 200, 2: 502, 3: None, 4: None}
    assert ended[1].error == ""
    assert "broken" in ended[2].error
    assert ended[3].error.startswith("ServerDisconnectedError")
    assert "127.0.0.1:1" in ended[4].error


def test_requests_and_what_becomes_of_them_come_through_as_they_went_in() -> None:
    """What is written for the process, and what it writes."""
    requests = [PlannedRequest(1, 0.25, "http://127.0.0.1:1/x", '{"a": "\\n"}'), PlannedRequest(2, 0.5, "http://x", "")]
    *lines, end, rest = encode(requests).split(b"\n")
    assert [PlannedRequest(**json.loads(line)) for line in lines] == requests
    assert (end, rest) == (b"", b"")
    assert decode(b'{"id": 1, "sent_s": 0.5, "begun_s": 0.5}\n') == RequestSent(1, 0.5, 0.5)
    assert decode(b'{"id": 1, "answered_s": 0.5, "status": null, "error": "x"}\n') == RequestEnded(1, 0.5, None, "x")


@contextmanager
def run_process(*launcher: str) -> Iterator[tuple[subprocess.Popen[bytes], Address]]:
    """Run the load generator's process; yield it and its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        command = [*(launcher or PROGRAM), str(fd)]
        started = subprocess.Popen(command, pass_fds=(fd,), env={**os.environ, "PYTHONWARNINGS": "error"})
        address = Address("127.0.0.1", listener.getsockname()[1])
    try:
        yield started, address
    finally:
        started.kill()
        started.wait()


@pytest.fixture
def process() -> Iterator[tuple[subprocess.Popen[bytes], Address]]:
    """Run the load generator's process; yield it and its address."""
    with run_process() as started:
        yield started


class JournalInMemory:
    """A journal in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, event: Event) -> None:
        """Add an event."""
        self.events.append(event)


@asynccontextmanager
async def loaded(
    address: Address, callers: dict[str, Address], *requests: tuple[float, str]
) -> AsyncIterator[tuple[LoadTracker, JournalInMemory]]:
    """Send requests to the process, and start the night."""
    due = [
        DueRequest(due_s, TraceRequest(id_, 0.0, "kiosk", what, "P", "2013-10-08", "US", 1843, "EWR", "CLT"))
        for id_, (due_s, what) in enumerate(requests, start=1)
    ]
    journal = JournalInMemory()
    recorder = Recorder(journal, NightClock(0.0, 1.0), origin_s=asyncio.get_running_loop().time())  # type: ignore[arg-type]
    running = LoadTracker(
        recorder, await connect_over_tcp(due, address, callers), {request_due.request.id: request_due for request_due in due}
    )
    recorder.night_start_s = running.start()
    yield running, journal
    running.stop()


async def test_the_end_of_the_connection_ends_the_process(process: tuple[subprocess.Popen[bytes], Address]) -> None:
    """Whatever it still had to send, and whatever has not come back."""
    async with loaded(process[1], {"kiosk": Address("127.0.0.1", 1)}, (0.0, "check_in"), (3600.0, "check_in")) as (running, journal):
        following = asyncio.create_task(running.follow())
        while running.failed == 0:  # nobody listens where the first request goes
            await asyncio.sleep(0.005)
        following.cancel()
    assert await asyncio.to_thread(process[0].wait, 10) == 0
    assert [event.event for event in journal.events] == ["request", "response"]


def read_after(address: Address, sent: bytes, *, end: bool = False) -> bytes:
    """Return the first line that the process answers, as soon as it listens; `end`: nothing more is sent."""
    until_s = time.monotonic() + LATE_S
    while True:
        with suppress(ConnectionRefusedError), socket.create_connection((address.host, address.port), timeout=LATE_S) as connection:
            connection.sendall(sent)
            if end:
                connection.shutdown(socket.SHUT_WR)
            return connection.makefile("rb").readline()
        assert time.monotonic() < until_s
        time.sleep(0.02)


@pytest.mark.parametrize(
    "sent",
    [b'{"id": 1, "due_s": 0', b"\n12.", b'\n12.5\n[{"from_s": 0.'],
    ids=["in the requests", "in the start", "in the rates"],
)
def test_half_a_line_at_the_end_of_a_connection_ends_it_and_not_the_process_that_waits_for_another(sent: bytes) -> None:
    """A testbed that is killed, or interrupted, may leave one; the process of a container then serves the next."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = Address("127.0.0.1", free.getsockname()[1])
    process = subprocess.Popen([*PROGRAM, str(address)], env={**os.environ, "PYTHONWARNINGS": "error"})
    try:
        read_after(address, sent, end=True)
        assert read_after(address, b"\n") == b"ready\n"
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(os.geteuid() != 0 or not generator.AUTOGROUP.exists(), reason="only root may, and only some kernels group sessions")
def test_the_process_is_scheduled_before_all_other_sessions() -> None:
    """Its niceness alone would count among the processes of its own session only."""
    group = f"nice {generator.NICENESS}"
    with run_process("setsid", *PROGRAM) as (process, _):
        told = Path(f"/proc/{process.pid}/autogroup")
        until_s = time.monotonic() + 10
        while group not in told.read_text() and time.monotonic() < until_s:
            time.sleep(0.01)
        assert told.read_text().rstrip().endswith(group)
    assert not Path("/proc/self/autogroup").read_text().rstrip().endswith(group)


def launcher(kind: str, ahead_s: int) -> tuple[str, ...]:
    """Return the command that runs the load generator on a clock that is ahead; skips where no namespace can be made."""
    if kind == "shifted":
        return (sys.executable, "-c", SHIFTED.format(ahead_s=ahead_s))
    command = (*NAMESPACE, str(ahead_s))
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no namespace of time can be made here: {error}")
    return (*command, *PROGRAM)


@pytest.mark.parametrize(("kind", "ahead_s"), [("shifted", -1_000), ("namespace", 1_000)])
async def test_on_another_machines_clock_requests_leave_when_they_are_due(kind: str, ahead_s: int, caller: tuple[Caller, Address]) -> None:
    """On our clock; and when they left is told as seconds after our start."""
    due_s = (0.05, 0.1, 0.15)
    with run_process(*launcher(kind, ahead_s)) as (_, address):
        async with loaded(address, {"kiosk": caller[1]}, *((at_s, "at_once") for at_s in due_s)) as (running, journal):
            following = asyncio.create_task(running.follow())
            async with asyncio.timeout(10.0):
                while running.answered < len(due_s):
                    await asyncio.sleep(0.005)
            following.cancel()
    start_s = running.recorder.origin_s + running.started_s
    grain_s = generator.SEND_AHEAD_S + CLOCKS_WITHIN_S
    asked_s = [at_s - start_s for at_s in caller[0].asked_s]
    sent_s = [event.sent_s - running.started_s for event in journal.events if isinstance(event, Request)]
    assert len(sent_s) == len(due_s)
    for at_s, left_s, came_s in zip(due_s, sent_s, asked_s, strict=True):
        assert at_s - grain_s <= left_s <= came_s + grain_s
        assert came_s < at_s + LATE_S


@pytest.mark.parametrize("signal", ["kill", "terminate"])
async def test_a_process_that_is_killed_in_the_night_is_an_error(process: tuple[subprocess.Popen[bytes], Address], signal: str) -> None:
    """Passengers who are not sent are not passengers who stay away."""
    async with loaded(process[1], {"kiosk": Address("127.0.0.1", 1)}, (3600.0, "check_in")) as (running, _):
        getattr(process[0], signal)()
        with pytest.raises(ServiceError, match="ended before the night was over"):
            await running.follow()
