from __future__ import annotations

import asyncio
import os
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from testbed.errors import FacilityError
from testbed.facility.runtime import ServiceSpec
from testbed.runtime.containers.probe import ContainerProbe
from testbed.runtime.containers.runtime import SERVICE_LABEL, Containers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

WITHIN_S = 5.0


@dataclass
class SlowContainer:
    """A container of an engine that does nothing before the event loop lets it."""

    calls: list[str] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    id: str = "1"
    labels: dict[str, str] = field(default_factory=lambda: {SERVICE_LABEL: "cf-1"})
    attrs: dict[str, Any] = field(default_factory=lambda: {"State": {"Paused": True, "Pid": 77}})

    def __getattr__(self, call: str) -> Callable[..., Any]:
        """Give a call to the engine, which takes its time."""

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
        """Give itself."""
        return self

    def list(self, **_: object) -> list[SlowContainer]:
        """Give the container."""
        return [self.container]


@pytest.fixture
def container() -> SlowContainer:
    """Give a container."""
    return SlowContainer()


@pytest.fixture
def runtime(container: SlowContainer, tmp_path: Path) -> Containers:
    """Give a runtime of a slow engine."""
    made = Containers("project", tmp_path, {}, SlowClient(container))  # type: ignore[arg-type]
    made._find()  # noqa: SLF001 - `up` would start it
    return made


async def killed_and_asked(runtime: Containers) -> object:
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
        (killed_and_asked, ["kill", "wait", "logs"]),  # the second answer costs the engine nothing
    ],
    ids=["start", "stop", "pause", "resume", "is_paused", "pid", "logs", "exit"],
)
async def test_the_event_loop_goes_on_while_an_engine_takes_its_time(
    runtime: Containers, container: SlowContainer, do: Callable[[Containers], Awaitable[object]], calls: list[str]
) -> None:
    """Or sampling would stop in the middle of a restart."""
    asyncio.get_running_loop().call_later(0.01, container.go.set)
    await do(runtime)
    assert container.calls == calls


async def test_a_container_that_is_being_started_when_its_replay_is_cancelled_is_there_to_be_removed(
    runtime: Containers, container: SlowContainer
) -> None:
    """What a thread began goes on; so it is waited for."""
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
    """Make a probe by a program that first writes down its process id."""
    program = f"import os, sys, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n{text}"
    return ContainerProbe("database", [sys.executable, "-c", program], within_s)


def is_collected(tmp_path: Path) -> bool:
    """Tell whether the probe's process has ended and was waited for: a zombie could still be sent a signal."""
    try:
        os.kill(int((tmp_path / "pid").read_text()), 0)
    except ProcessLookupError:
        return True
    return False


HELD = "print('held', flush=True)\n"
SEEN = """print('{"ended": "closed", "connected_s": 0.5}', flush=True)\n"""


async def test_a_probe_in_a_container_is_held_sees_and_has_ended(tmp_path: Path) -> None:
    """A line for each."""
    made = probe(tmp_path, HELD + SEEN)
    await made.wait_held()
    assert (await made.wait_result()).ended == "closed"
    assert is_collected(tmp_path)


@pytest.mark.parametrize(
    ("text", "within_s", "error"),
    [
        ("time.sleep(60)", 0.5, "a probe over the link to database told nothing within 0.5 s"),
        ("sys.exit('no route')", WITHIN_S, "a probe over the link to database could not be made: no route"),
        (SEEN, WITHIN_S, "no probe could be held over the link to database: connected in 500.00 ms, 0 bytes, then closed"),
    ],
    ids=["silent", "fails", "not held"],
)
async def test_a_probe_that_could_not_be_held_says_why_and_has_ended(tmp_path: Path, text: str, within_s: float, error: str) -> None:
    """Whatever its program did."""
    made = probe(tmp_path, text, within_s)
    with pytest.raises(FacilityError, match=error):
        await made.wait_held()
    await made.end()
    assert not (tmp_path / "pid").exists() or is_collected(tmp_path)


async def test_the_process_of_a_probe_ends_with_the_probe(tmp_path: Path) -> None:
    """As when the fault that it was for is cancelled."""
    made = probe(tmp_path, f"{HELD}time.sleep(60)")
    await made.wait_held()
    seeing = asyncio.create_task(made.wait_result())
    await asyncio.sleep(0)
    seeing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await seeing
    await made.end()
    assert is_collected(tmp_path)
