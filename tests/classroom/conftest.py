from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file
from testbed.classroom import hold
from testbed.classroom.hold import Place
from testbed.classroom.lessons import lesson
from testbed.concurrency import cancel_and_wait
from testbed.fakes.backend import FakeBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from testbed.classroom.lessons.lesson import Lesson
    from testbed.classroom.web.addresses import Addresses


@dataclass(slots=True)
class Class:
    """A class that is held over fakes: its addresses, its backend, where its journals are, and the task that holds it.

    `journal`: where it says that its own is; `gone`: why the terminal was told that the facility is gone.
    """

    at: Addresses
    backend: FakeBackend
    runs: Path
    task: asyncio.Task[None]
    journal: Path
    gone: list[str]


def quick(name: str = "the_night") -> Lesson:
    """Return a lesson whose night goes by as fast as its scenario has it, in seconds."""
    read = lesson.read(name, "processes")
    kept = scenario_file.load(scenario_file.find(read.scenario.name))
    return replace(read, scenario=replace(read.scenario, night=kept.night, workload=kept.workload))


@asynccontextmanager
async def held(runs: Path, of: Lesson | None = None, backend: FakeBackend | None = None, port: int | None = None) -> AsyncIterator[Class]:
    """Hold a class over fakes, in real time."""
    opened: asyncio.Future[tuple[Addresses, Path]] = asyncio.get_running_loop().create_future()
    fakes, gone = backend or FakeBackend(), list[str]()
    place = Place("127.0.0.1", port, str(runs))
    task = asyncio.create_task(hold.hold(of or quick(), fakes, place, lambda *found: opened.set_result(found), gone.append))
    await asyncio.wait([task, opened], return_when=asyncio.FIRST_COMPLETED)
    if not opened.done():
        await task
    try:
        found, journal = opened.result()
        yield Class(found, fakes, runs, task, journal, gone)
    finally:
        await cancel_and_wait([task])


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A directory for journals."""
    return tmp_path / "runs"
