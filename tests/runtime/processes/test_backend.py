from __future__ import annotations

import asyncio
import resource
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from testbed.errors import FacilityError, ProxyError
from testbed.facility.address import Address
from testbed.plan.settings import Settings
from testbed.plan.topology import FacilityPlan
from testbed.runtime import run_directory as run_directory_module
from testbed.runtime.processes.backend import ProcessesBackend
from testbed.runtime.run_directory import RunDirectory, make_directory

if TYPE_CHECKING:
    from pathlib import Path

PLAN = FacilityPlan(application_servers=2, request_threads=40, pool_size=40, callers=("kiosk", "ivr", "partner"))


@pytest.fixture(autouse=True)
def home(run_directory: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep this test's run directories apart, in a place that PostgreSQL's user may enter."""
    place = run_directory.path / tmp_path.name
    make_directory(place)
    monkeypatch.setenv("TMPDIR", str(place))
    return place


def left(home: Path) -> list[Path]:
    """Return all that is left below."""
    return list(home.iterdir())


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.2, 0.4, 0.7])
async def test_a_backend_that_is_given_up_while_it_begins_leaves_nothing(home: Path, after_s: float) -> None:
    """At whatever moment, and however impatient: cancelled again while it cleans up."""

    async def work() -> None:
        async with ProcessesBackend() as backend:
            await backend.wait_fault_proxy()
            await asyncio.shield(backend.prepared)
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(after_s)
    for _ in range(5):
        task.cancel()
        await asyncio.sleep(0.001)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left(home) == []


async def test_the_event_loop_goes_on_while_the_run_directory_is_removed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was just killed may still write there, so that it is tried again for seconds."""
    go, loop, remove = threading.Event(), asyncio.get_running_loop(), RunDirectory.remove

    def slow(run: RunDirectory) -> None:
        loop.call_soon_threadsafe(go.set)
        assert go.wait(5.0), "the event loop stood still"
        remove(run)

    monkeypatch.setattr(RunDirectory, "remove", slow)
    with pytest.raises(FacilityError, match="no PostgreSQL at"):
        async with ProcessesBackend(postgres_directory=str(home)):
            pass
    assert left(home) == []


async def test_a_backend_that_cannot_be_had_leaves_nothing(home: Path, tmp_path: Path) -> None:
    """The error is the reason, once."""
    with pytest.raises(FacilityError, match="no PostgreSQL at"):
        async with ProcessesBackend(postgres_directory=str(tmp_path)):
            pass
    assert left(home) == []


@pytest.mark.parametrize(
    ("jobs", "array_bytes", "told"),
    [
        (1, 1 << 60, r"a replay needs \d+ MB; set TMPDIR to a directory with 150 MB of space"),
        (64, 1 << 40, r"64 replays at a time need 72567767 MB; set TMPDIR to another, or give fewer --jobs"),
    ],
)
async def test_too_little_space_is_told_before_anything_is_started(
    home: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, array_bytes: int, told: str
) -> None:
    """In megabytes, with the place and the way out."""
    monkeypatch.setattr(run_directory_module, "ARRAY_BYTES", array_bytes)
    with pytest.raises(FacilityError, match=rf"{home}.* has \d+ MB free, and {told}"):
        async with ProcessesBackend(jobs=jobs):
            pass
    assert left(home) == []


@pytest.mark.parametrize(
    ("kind", "most", "told"),
    [
        (resource.RLIMIT_NOFILE, 64, "the limit is 64 open files in a process, and this facility needs 210; raise it: ulimit -n 210"),
        (resource.RLIMIT_NPROC, 100, "the limit is 100 processes and threads, and this facility needs 330; raise it: ulimit -u 330"),
    ],
)
async def test_a_limit_that_is_too_low_is_told_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch, kind: int, most: int, told: str
) -> None:
    """Or half of the facility would find out later, each in its own words."""
    real = resource.getrlimit
    async with ProcessesBackend() as backend:
        builder = backend.builder(PLAN, Settings())
        monkeypatch.setattr(resource, "getrlimit", lambda asked: (most, most) if asked == kind else real(asked))
        with pytest.raises(FacilityError, match=told):
            await builder.build()
        monkeypatch.undo()
        await builder.tear_down()


async def test_a_toxiproxy_that_is_not_there_is_told_at_once(home: Path) -> None:
    """Nobody waits for somebody else's server to come up."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with ProcessesBackend(Address("127.0.0.1", port)) as backend:
        async with asyncio.timeout(5):
            with pytest.raises(ProxyError, match=rf"fault proxy at 127.0.0.1:{port}: version: no answer; is a Toxiproxy running there"):
                await backend.wait_fault_proxy()
    assert left(home) == []


async def test_a_fault_proxy_of_ours_that_died_is_told_at_once() -> None:
    """With how it ended, and not after the time that it would have had to come up."""
    async with ProcessesBackend() as backend:
        await backend.wait_fault_proxy()
        await backend.runtime.kill("toxiproxy")
        async with asyncio.timeout(5):
            with pytest.raises(ProxyError, match="the fault proxy ended with exit code -9"):
                await backend.wait_fault_proxy()
