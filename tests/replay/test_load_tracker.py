from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from testbed.errors import ServiceError
from testbed.facility.address import Address
from testbed.facility.load_generator import DueRequest, RequestEnded, RequestSent
from testbed.fakes.virtual_time import run
from testbed.journal.events import Request, Response
from testbed.load import client
from testbed.load.client import TcpLoadGenerator, connect_over_tcp
from testbed.load.clock_offset import ClockOffset
from testbed.load.generator import ASK_CLOCK, PlannedRequest
from testbed.plan.clock import NightClock
from testbed.plan.trace import TraceRequest
from testbed.replay.load_tracker import LEAD_S, LoadTracker
from testbed.replay.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testbed.journal.events import Event

CLOCK = NightClock(79_200.0, 100.0)
CALLERS = {"kiosk": Address("127.0.0.1", 1)}
AHEAD_S = 4_000.0
ROUNDING_S = 1e-6


def due(id_: int, due_s: float, caller: str = "kiosk") -> DueRequest:
    """Make a request of the trace."""
    return DueRequest(due_s, TraceRequest(id_, 79_200.0 + due_s * 100, caller, "check_in", "P", "2013-10-08", "US", 1843, "EWR", "CLT"))


class Scripted:
    """A generator that yields the events of a script."""

    def __init__(self, *script: RequestSent | RequestEnded) -> None:
        self.script = script
        self.started_at_s: float | None = None

    def start(self, start_s: float) -> None:
        """Record the start."""
        self.started_at_s = start_s

    async def events(self) -> AsyncIterator[RequestSent | RequestEnded]:
        """Yield the events in order, and end."""
        for event in self.script:
            yield event

    def stop(self) -> None:
        """Do nothing."""


class JournalInMemory:
    """A journal in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, event: Event) -> None:
        """Append it."""
        self.events.append(event)


def followed(*script: RequestSent | RequestEnded) -> tuple[LoadTracker, list[Event]]:
    """Follow a script two seconds after the replay's start; return the load and the journal's events."""
    journal = JournalInMemory()

    async def follow() -> LoadTracker:
        recorder = Recorder(journal, CLOCK, origin_s=asyncio.get_running_loop().time())  # type: ignore[arg-type]
        await asyncio.sleep(2.0)
        running = LoadTracker(recorder, Scripted(*script), {1: due(1, 0.5), 2: due(2, 0.7, "ivr"), 3: due(3, 0.9)})
        recorder.night_start_s = running.start()
        with pytest.raises(ServiceError, match="ended before the night was over"):
            await running.follow()
        return running

    return run(follow()), journal.events


def test_a_request_is_written_with_when_it_was_due_and_when_it_was_sent() -> None:
    """Both on the replay's clock: the start of the night, two seconds in and a moment ahead, and then the trace's time."""
    _, (sent,) = followed(RequestSent(1, 0.51, 0.51))
    assert isinstance(sent, Request)
    assert (sent.caller, sent.transaction) == ("kiosk", "check_in")
    assert (sent.due_s, sent.sent_s) == (pytest.approx(2.0 + LEAD_S + 0.5), pytest.approx(2.0 + LEAD_S + 0.51))
    assert (sent.t_s, sent.night_s) == (sent.sent_s, pytest.approx(79_251.0))


@pytest.mark.parametrize(
    ("status", "ended"), [(200, "answered"), (201, "answered"), (399, "answered"), (400, "failed"), (502, "failed"), (None, "failed")]
)
def test_what_a_request_came_to_is_told_by_its_status(status: int | None, ended: str) -> None:
    """Below 400 the passenger got what they asked for; without a status, the connection broke."""
    _, (_, response) = followed(RequestSent(1, 0.5, 0.5), RequestEnded(1, 0.8, status, "why"))
    assert isinstance(response, Response)
    assert (response.ended, response.status, response.error) == (ended, status, "why")
    assert response.answered_s == pytest.approx(2.0 + LEAD_S + 0.8)


def test_what_is_under_way_is_counted_in_all_and_by_caller() -> None:
    """Sent, less what came back in one way or the other."""
    running, _ = followed(
        RequestSent(1, 0.5, 0.5),
        RequestSent(2, 0.7, 0.7),
        RequestSent(3, 0.9, 0.9),
        RequestEnded(2, 1.0, 200, ""),
        RequestEnded(1, 1.5, 502, ""),
    )
    assert (running.sent, running.answered, running.failed, running.in_flight, running.all_sent) == (3, 1, 1, 1, True)
    assert running.in_flight_at == {"kiosk": 1, "ivr": 0}
    assert running.last_response_s == pytest.approx(2.0 + LEAD_S + 1.5)
    assert running.slowest_answer_s == pytest.approx(0.3)  # of those answered: an error is no measure of how long answers take


class Wire:
    """The writing end of a connection, in memory."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        """Append it."""
        self.written += data


@pytest.mark.parametrize("ahead_s", [0.0, 4_000.0, -4_000.0])
def test_the_start_is_told_on_the_generators_clock_whatever_the_loops(ahead_s: float) -> None:
    """A loop in virtual time and the generator's process, here or on another clock, agree on how long it is until the start."""
    wire = Wire()

    async def start() -> None:
        generator = TcpLoadGenerator(asyncio.StreamReader(), wire, ClockOffset(ahead_s))  # type: ignore[arg-type]
        generator.start(asyncio.get_running_loop().time() + 7.0)

    before = time.monotonic()
    run(start())
    assert before + 7.0 + ahead_s <= float(wire.written) <= time.monotonic() + 7.0 + ahead_s


@pytest.mark.parametrize("end", [b"", b'{"id": 2, "sent'])
async def test_a_generator_that_is_killed_ends_its_story_wherever_it_was(end: bytes) -> None:
    """Whole lines count, and half a line is left out."""
    lines = asyncio.StreamReader()
    lines.feed_data(b'{"id": 1, "sent_s": 0.5, "begun_s": 0.5}\n{"id": 1, "answered_s": 0.75, "status": null, "error": "gone"}\n' + end)
    lines.feed_eof()
    events = [event async for event in TcpLoadGenerator(lines, Wire()).events()]  # type: ignore[arg-type]
    assert events == [RequestSent(1, 0.5, 0.5), RequestEnded(1, 0.75, None, "gone")]


async def test_a_connection_that_is_reset_is_an_end_like_any_other() -> None:
    """A process that was killed with unread data leaves a reset."""
    lines = asyncio.StreamReader()
    lines.set_exception(ConnectionResetError())
    assert [event async for event in TcpLoadGenerator(lines, Wire()).events()] == []  # type: ignore[arg-type]


async def connecting(answer: bytes | None, clock: bytes | None = None, *, late: int = 0) -> tuple[list[bytes], str]:
    """Connect to a generator that answers something when it has its requests, or never does; return what it received, and the error.

    Asked for its clock, it tells one that is ahead, or answers with `clock`; its first `late` answers take longer than is precise.
    """
    received: list[bytes] = []
    over = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (line := await reader.readline()).strip():
            received.append(line)
        if answer is not None:
            writer.write(answer)
        for number in itertools.count():
            if not answer or not (asked := await reader.readline()):
                break
            assert asked == ASK_CLOCK
            if number < late:
                await asyncio.sleep(3 * client.CLOCKS_WITHIN_S)
            writer.write(f"{time.monotonic() + AHEAD_S!r}\n".encode() if clock is None else clock)
        writer.close()
        await writer.wait_closed()
        over.set()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await talk(reader, writer)

    server = await asyncio.start_server(never if answer is None else talk, "127.0.0.1", 0)
    error = ""
    async with server:
        try:
            generator = await connect_over_tcp([due(1, 0.5)], Address("127.0.0.1", server.sockets[0].getsockname()[1]), CALLERS)
            generator.stop()
            assert isinstance(generator, TcpLoadGenerator)
            assert abs(generator.clock.ahead_s - AHEAD_S) <= generator.clock.within_s + ROUNDING_S
        except ServiceError as failure:
            error = str(failure)
        await over.wait()
    return received, error


async def test_the_generator_is_handed_every_request_with_where_it_goes() -> None:
    """And is ready when it says so."""
    received, error = await connecting(b"ready\n")
    assert (len(received), error) == (1, "")
    planned = PlannedRequest(**json.loads(received[0]))
    assert (planned.id, planned.due_s, planned.url) == (1, 0.5, "http://127.0.0.1:1/transactions/check_in")
    assert json.loads(planned.body)["origin"] == "EWR"


@pytest.mark.parametrize(("answer", "expected"), [(b"what?\n", "answered b'what"), (b"", "answered b''")])
async def test_a_generator_that_is_not_ready_is_an_error_with_its_words(answer: bytes, expected: str) -> None:
    """Also when it just goes away."""
    _, error = await connecting(answer)
    assert expected in error


async def test_a_generator_that_does_not_tell_its_clock_is_an_error_with_its_words() -> None:
    """Its start would be a guess."""
    _, error = await connecting(b"ready\n", b"noon\n")
    assert "answered b'noon\\n', expected its clock; see its log" in error


async def test_a_clock_that_cannot_be_told_well_enough_is_an_error_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests would look early or late that were neither."""
    monkeypatch.setattr(client, "CLOCKS_WITHIN_S", 1e-9)
    monkeypatch.setattr(client, "ASKED_FOR_S", 0.05)
    _, error = await connecting(b"ready\n")
    assert re.search(r"is known to within \d+\.\d ms only, after \d+ round trips in 0 s; 0 ms are needed", error)


async def test_a_clock_is_asked_for_until_a_busy_machine_lets_an_answer_through() -> None:
    """All of the first round trips took 30 ms: the offset is known as well as ever after a few more."""
    _, error = await connecting(b"ready\n", late=client.ROUND_TRIPS)
    assert error == ""


async def test_a_generator_that_says_nothing_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names where it should have been, and the bound."""
    monkeypatch.setattr(client, "READY_WITHIN_S", 0.05)
    _, error = await connecting(None)
    assert "was not ready within 0 s" in error


async def test_a_generator_that_is_not_there_is_an_error_at_once() -> None:
    """Nobody listens, and nobody was waited for."""
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:1 cannot be reached: .*; see its log"):
        await connect_over_tcp([], Address("127.0.0.1", 1), {})
