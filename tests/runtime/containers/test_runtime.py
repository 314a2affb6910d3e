from __future__ import annotations

import asyncio
import os
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
import requests
from docker.errors import APIError, NotFound

from testbed.errors import FacilityError, ServiceError
from testbed.facility.runtime import ServiceSpec
from testbed.runtime.containers.probe import ContainerProbe
from testbed.runtime.containers.runtime import SERVICE_LABEL, Containers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

WITHIN_S = 5.0


def refusal(status: int, words: str) -> APIError:
    """Return the engine's refusal as its client raises it."""
    answer = requests.Response()
    answer.status_code = status
    return APIError("the engine refused", answer, words)


@dataclass
class SlowContainer:
    """A container of an engine that answers only once the event loop has run."""

    calls: list[str] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    id: str = "1"
    labels: dict[str, str] = field(default_factory=lambda: {SERVICE_LABEL: "cf-1"})
    attrs: dict[str, Any] = field(default_factory=lambda: {"State": {"Paused": True, "Pid": 77}})

    def __getattr__(self, call: str) -> Callable[..., Any]:
        """Return a call to the engine, which takes its time."""

        def answer(*_: object, **__: object) -> Any:
            assert self.go.wait(WITHIN_S), f"the event loop stood still while the engine was asked to {call}"
            self.calls.append(call)
            return {"wait": {"StatusCode": 137}, "logs": b"its last line\n"}.get(call)

        return answer


@dataclass
class SlowClient:
    """An engine's client that knows one container."""

    container: SlowContainer

    @property
    def containers(self) -> SlowClient:
        """Return itself."""
        return self

    def list(self, **_: object) -> list[SlowContainer]:
        """Return the container."""
        return [self.container]


@pytest.fixture
def container() -> SlowContainer:
    """Return a container."""
    return SlowContainer()


@pytest.fixture
def runtime(container: SlowContainer, tmp_path: Path) -> Containers:
    """Return a runtime of a slow engine."""
    containers = Containers("project", tmp_path, {}, SlowClient(container))  # type: ignore[arg-type]
    containers._find()  # noqa: SLF001 - `up` would start it
    return containers


async def kill_and_ask(runtime: Containers) -> object:
    """Kill the service, and ask twice how it ended."""
    await runtime.kill("cf-1")
    return [await runtime.exit("cf-1"), await runtime.exit("cf-1")]


@pytest.mark.parametrize(
    ("do", "calls"),
    [
        (lambda runtime: runtime.start(ServiceSpec("cf-1", "")), ["start", "reload"]),
        (lambda runtime: runtime.stop("cf-1"), ["stop"]),
        (lambda runtime: runtime.pause("cf-1"), ["pause"]),
        (lambda runtime: runtime.resume("cf-1"), ["unpause"]),
        (lambda runtime: runtime.is_paused("cf-1"), ["reload"]),
        (lambda runtime: runtime.pid("cf-1"), ["reload"]),
        (lambda runtime: runtime.logs("cf-1"), ["logs"]),
        (kill_and_ask, ["kill", "wait", "logs"]),  # the second answer costs the engine nothing
    ],
    ids=["start", "stop", "pause", "resume", "is_paused", "pid", "logs", "exit"],
)
async def test_a_slow_engine_does_not_block_the_event_loop(
    runtime: Containers, container: SlowContainer, do: Callable[[Containers], Awaitable[object]], calls: list[str]
) -> None:
    """Or sampling would stop in the middle of a restart."""
    asyncio.get_running_loop().call_later(0.01, container.go.set)
    await do(runtime)
    assert container.calls == calls


async def test_an_engine_that_is_gone_is_one_clear_error(
    runtime: Containers, container: SlowContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client passes on the errors of the HTTP library below it."""

    def gone() -> None:
        raise requests.ConnectionError("connection refused")

    monkeypatch.setattr(container, "pause", gone, raising=False)
    with pytest.raises(ServiceError, match="cf-1 cannot be paused: connection refused"):
        await runtime.pause("cf-1")


@pytest.mark.parametrize(
    ("error", "call", "message"),
    [
        (requests.ReadTimeout("read timed out"), "kill", "cf-1 cannot be killed: read timed out"),
        (requests.ReadTimeout("read timed out"), "wait", "cf-1 cannot be killed: read timed out"),
        (refusal(500, "no space"), "kill", "cf-1 cannot be killed: no space"),
        (requests.ConnectionError("refused"), "reload", "cf-1 cannot be inspected: refused"),
        (ConnectionResetError("reset"), "reload", "cf-1 cannot be inspected: reset"),
    ],
)
async def test_an_engine_that_fails_to_kill_or_to_tell_the_process_is_one_clear_error(
    runtime: Containers, container: SlowContainer, monkeypatch: pytest.MonkeyPatch, error: Exception, call: str, message: str
) -> None:
    """A container that was not killed is not one that ended; one that cannot be inspected is not one that does not run."""
    container.go.set()
    monkeypatch.setattr(container, call, Mock(side_effect=error), raising=False)
    with pytest.raises(ServiceError, match=message):
        await (runtime.pid("cf-1") if call == "reload" else runtime.kill("cf-1"))
    assert await runtime.exit("cf-1") is None


async def test_a_container_that_has_ended_already_is_killed_and_one_that_is_gone_has_no_process(
    runtime: Containers, container: SlowContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own exit code is told."""
    container.go.set()
    monkeypatch.setattr(container, "kill", Mock(side_effect=refusal(409, "it is not running")), raising=False)
    monkeypatch.setattr(container, "reload", Mock(side_effect=NotFound("no such container")), raising=False)
    await runtime.kill("cf-1")
    ended = await runtime.exit("cf-1")
    assert ended is not None
    assert ended.code == 137
    assert await runtime.pid("cf-1") is None


async def test_the_start_of_a_container_is_completed_when_its_replay_is_cancelled(runtime: Containers, container: SlowContainer) -> None:
    """The thread goes on, and what it starts has to be removed."""
    starting = asyncio.create_task(runtime.start(ServiceSpec("cf-1", "")))
    await asyncio.sleep(0.01)
    starting.cancel()
    await asyncio.sleep(0.01)
    assert not starting.done()
    container.go.set()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert container.calls == ["start", "reload"]


def probe(tmp_path: Path, text: str, within_s: float = WITHIN_S) -> ContainerProbe:
    """Return a probe by a program that first writes down its process id."""
    program = f"import os, sys, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n{text}"
    return ContainerProbe("database", [sys.executable, "-c", program], within_s)


def is_collected(tmp_path: Path) -> bool:
    """Return whether the probe's process has ended and was waited for: a zombie could still be sent a signal."""
    try:
        os.kill(int((tmp_path / "pid").read_text()), 0)
    except ProcessLookupError:
        return True
    return False


HELD = "print('held', flush=True)\n"
RESULT = """print('{"ended": "closed", "connected_s": 0.5}', flush=True)\n"""


async def test_a_probe_in_a_container_is_held_has_a_result_and_ends(tmp_path: Path) -> None:
    """Its program prints a line for each."""
    held = probe(tmp_path, HELD + RESULT)
    await held.wait_held()
    assert (await held.wait_result()).ended == "closed"
    assert is_collected(tmp_path)


@pytest.mark.parametrize(
    ("text", "within_s", "error"),
    [
        ("time.sleep(60)", 0.5, "a probe over the link to database printed no line within 0.5 s"),
        ("sys.exit('no route')", WITHIN_S, "a probe over the link to database could not be made: no route"),
        (RESULT, WITHIN_S, "no probe could be held over the link to database: a probe connected in 500.00 ms, received 0 bytes, and was"),
    ],
    ids=["silent", "fails", "not held"],
)
async def test_a_probe_that_could_not_be_held_says_why_and_has_ended(tmp_path: Path, text: str, within_s: float, error: str) -> None:
    """Whatever its program did."""
    failing = probe(tmp_path, text, within_s)
    with pytest.raises(FacilityError, match=error):
        await failing.wait_held()
    await failing.end()
    assert not (tmp_path / "pid").exists() or is_collected(tmp_path)


async def test_the_process_of_a_probe_ends_with_the_probe(tmp_path: Path) -> None:
    """As when the fault that it was for is cancelled."""
    held = probe(tmp_path, f"{HELD}time.sleep(60)")
    await held.wait_held()
    waiting = asyncio.create_task(held.wait_result())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await held.end()
    assert is_collected(tmp_path)
