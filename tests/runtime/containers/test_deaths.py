from __future__ import annotations

import queue
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from docker.errors import StreamParseError

from testbed.errors import EngineError
from testbed.runtime.containers import deaths
from testbed.runtime.containers.deaths import NO_CODE, Deaths

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN_S = 5.0
READ_TIMED_OUT = urllib3.exceptions.ReadTimeoutError(None, "/events", "Read timed out.")  # type: ignore[arg-type]


def die(container: str, code: int) -> dict[str, Any]:
    """Return the engine's event of a container that has ended."""
    return {"Action": "die", "Actor": {"ID": container, "Attributes": {"exitCode": str(code)}}}


def start(container: str) -> dict[str, Any]:
    """Return the engine's event of a container that was started."""
    return {"Action": "start", "Actor": {"ID": container, "Attributes": {}}}


def state(container: str, status: str, code: int = 0) -> SimpleNamespace:
    """Return a container as the engine inspects it."""
    return SimpleNamespace(id=container, attrs={"State": {"Status": status, "Running": status in ("running", "paused"), "ExitCode": code}})


class Stream:
    """A stream of events: those that are put into it, and then its end or an error."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict[str, Any] | BaseException | None] = queue.Queue()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the events."""
        while (event := self.events.get(timeout=WITHIN_S)) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event

    def close(self) -> None:
        """End it."""
        self.events.put(None)


class Engine:
    """An engine's client: its streams in turn, each an error instead where it cannot be had, and the containers that it has."""

    def __init__(self, *streams: Stream | BaseException) -> None:
        self.streams = [*streams]
        self.inspected: list[SimpleNamespace] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def containers(self) -> Engine:
        """Return itself."""
        return self

    def events(self, **_: object) -> Stream:
        """Return the next stream."""
        stream = self.streams.pop(0) if len(self.streams) > 1 else self.streams[0]
        if isinstance(stream, BaseException):
            raise stream
        return stream

    def list(self, **_: object) -> list[SimpleNamespace]:
        """Return the containers, when it may answer."""
        assert self.may_answer.wait(WITHIN_S)
        return self.inspected


def listening(engine: Engine, *known: str) -> Deaths:
    """Begin to listen to an engine."""
    made = Deaths(engine, "project", lambda: known)  # type: ignore[arg-type]
    made.listen()
    return made


def wait_for(reached: Any) -> None:
    """Wait until something is so."""
    poll = threading.Event()
    for _ in range(500):
        if reached():
            return
        poll.wait(WITHIN_S / 500)
    raise AssertionError("not reached in time")


def test_events_tell_what_ended_and_what_was_started_again() -> None:
    """By the container's own id."""
    stream = Stream()
    heard = listening(Engine(stream))
    stream.events.put(die("cf-1", 137))
    stream.events.put(die("cf-2", 1))
    stream.events.put(start("cf-2"))
    stream.events.put(die("ivr", 0))
    wait_for(lambda: heard.code("ivr") == 0)
    assert (heard.code("cf-1"), heard.code("cf-2"), heard.code("kiosk")) == (137, None, None)
    heard.close()


@pytest.mark.parametrize(
    "broke",
    [None, READ_TIMED_OUT, ConnectionResetError("reset"), StreamParseError("half a line"), {"Action": "die"}],
    ids=["ended", "timed out", "reset", "half", "not an event"],
)
def test_what_happened_while_the_stream_was_broken_is_asked_for(broke: dict[str, Any] | BaseException | None) -> None:
    """Who ended meanwhile, who was started, and who is not there any more; and then events are read on."""
    first, second = Stream(), Stream()
    engine = Engine(first, second)
    engine.inspected = [state("cf-1", "exited", 139), state("cf-2", "running"), state("kiosk", "paused"), state("partner", "created")]
    heard = listening(engine, "cf-1", "cf-2", "gone", "kiosk")
    first.events.put(die("cf-2", 1))
    first.events.put(broke)
    wait_for(lambda: heard.code("cf-1") == 139)
    assert [heard.code(name) for name in ("cf-2", "kiosk", "partner", "gone")] == [None, None, None, NO_CODE]
    second.events.put(die("kiosk", 2))
    wait_for(lambda: heard.code("kiosk") == 2)
    heard.close()


def test_while_events_may_be_lost_nobody_is_said_to_run() -> None:
    """Whoever asks waits until the containers were asked."""
    first, second = Stream(), Stream()
    engine = Engine(first, second)
    engine.inspected = [state("cf-1", "exited", 137)]
    engine.may_answer.clear()
    heard = listening(engine)
    first.close()
    wait_for(lambda: not heard.is_known)
    answers: list[int | None] = []
    asking = threading.Thread(target=lambda: answers.append(heard.code("cf-1")))
    asking.start()
    assert answers == []
    engine.may_answer.set()
    asking.join(WITHIN_S)
    assert answers == [137]
    heard.close()


def test_events_that_cannot_be_read_any_more_are_an_error_and_not_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a service that died would be one that lives."""
    monkeypatch.setattr(deaths, "REOPENED_WITHIN_S", 0.1)
    monkeypatch.setattr(deaths, "POLL_S", 0.01)
    first = Stream()
    heard = listening(Engine(first, ConnectionRefusedError("no engine")))
    assert heard.code("cf-1") is None
    first.close()
    with pytest.raises(
        EngineError, match=r"what has ended is unknown: .* broke \(their stream ended\), .* \(ConnectionRefusedError: no engine\)"
    ):
        wait_for(lambda: heard.code("cf-1") is not None)
    heard.close()


def test_a_thread_that_fails_is_an_error_and_not_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    stream = Stream()
    heard = listening(Engine(stream))
    stream.events.put(AssertionError("a bug"))
    with pytest.raises(EngineError, match="the thread that reads the engine's events failed"):
        wait_for(lambda: heard.code("cf-1") is not None)


def test_closing_ends_the_reading_and_is_no_failure() -> None:
    """A project that is removed is not opened again."""
    stream = Stream()
    engine = Engine(stream, AssertionError("opened again"))
    heard = listening(engine)
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "events of project")
    heard.close()
    thread.join(WITHIN_S)
    assert not thread.is_alive()
    assert heard.code("cf-1") is None


def test_an_engine_without_events_is_one_clear_error() -> None:
    """At once, before anything is started."""
    with pytest.raises(EngineError, match="the engine's events cannot be read: no engine"):
        listening(Engine(ConnectionRefusedError("no engine")))
