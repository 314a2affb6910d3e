"""Holds a class: the page and its server, a facility for the lesson's night, and what comes after; until it is cancelled."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.classroom import kept_class
from testbed.classroom.board import Board
from testbed.classroom.inquiry import prevention
from testbed.classroom.live.keeper import Keeper
from testbed.classroom.live.night import LiveNight
from testbed.classroom.live.reckoning import Reckoning
from testbed.classroom.live.session import Session
from testbed.classroom.saying import bug
from testbed.classroom.scene import Scene
from testbed.classroom.web import addresses, server
from testbed.classroom.web.addresses import Addresses
from testbed.concurrency import cancel_and_wait
from testbed.errors import TestbedError
from testbed.experiments import run_folders
from testbed.experiments.header import header
from testbed.journal.writer import JournalWriter
from testbed.plan import passengers
from testbed.replay.running import Night

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from starlette.applications import Starlette

    from testbed.classroom.lessons.lesson import Lesson
    from testbed.facility.backend import Backend
    from testbed.plan.trace import Trace

NIGHT = "night"  # the journal's name: messages have its path, and the variant's name would tell what runs


@dataclass(frozen=True, slots=True)
class Place:
    """Where a class is held: the host and port to listen at, the directory of its journals, and where preventions are replayed.

    None: any port that is free, and the usual directory.
    """

    host: str
    port: int | None
    runs: str | None
    of_replays: prevention.Place = field(default_factory=prevention.Place)


async def hold(
    lesson: Lesson,
    backend: Backend,
    place: Place,
    opened: Callable[[Addresses, Path], None],
    gone: Callable[[str], None] = lambda _: None,
) -> None:
    """Hold a class until this task is cancelled.

    1. Listen, and make the directory of the journal, so that a port in use or a full disk is an error before the work; and serve the
       page; `opened` is called with the addresses and the journal's path. What is answered is kept beside that.
    2. Play the lesson's night on a facility of the backend, until the trainer ends it; its journal is below the runs.
    3. Compare the class's answers with the post-mortem, and replay what it chose, for as long as anybody looks.

    A facility that cannot be built, or that dies, is told on the page, which stays, and `gone` is called with the reason at once; when the
    class is over its error is raised.
    """
    sent = passengers.of(lesson.scenario)
    listening = addresses.listen(place.host, place.port)  # 1
    with listening, _directory(place.runs, lesson.name) as directory:
        variant = lesson.scenario.variants[0]
        board = Board()
        scene = Scene(board, header(lesson.scenario, variant, sent, backend, 1))
        runs = None if place.runs is None else Path(place.runs)

        night = LiveNight(lesson, board, scene)
        measured = prevention.measured(lesson.replayed.name, backend.name, lesson.replayed.variants[0].expect)
        reckoning = Reckoning(
            lesson, board, scene, lambda variant: prevention.replay(lesson.replayed, variant, place.of_replays, runs), measured
        )
        session = Session(lesson, "balancers" in backend.capabilities, reckoning, board, scene, night)
        found = Addresses(place.host, listening.getsockname()[1])
        session.class_address = found.of_class
        app = server.application(session, found.tokens, b"")
        keeper = Keeper(reckoning, directory / kept_class.FILE)
        async with aclosing(keeper), _serving(app, listening, session.hub.run(), keeper.run()):
            opened(found, directory / f"{NIGHT}.jsonl")
            try:
                journal = await _play(session.night, sent, backend, directory)  # 2
            except Exception as error:  # noqa: BLE001 - the border of a night: whoever looks at its page hears why it has ended
                board.update({"gone.why": str(error) if isinstance(error, TestbedError) else bug(error), "phase": "gone"})
                board.update({"switchover": None, "task": None})  # nobody can do any more what they ask for
                gone(str(error) if isinstance(error, TestbedError) else f"{type(error).__name__}: {error}")
                await _wait_for_ever_and_raise(error)
            await reckoning.finish(journal)  # 3


@contextmanager
def _directory(runs: str | None, lesson: str) -> Iterator[Path]:
    """Make the directory of a class's journal, and remove it again if there is none."""
    directory = run_folders.runs_directory(runs, f"class-{lesson}")
    try:
        yield directory
    finally:
        run_folders.drop_if_empty(directory)


async def _play(live: LiveNight, sent: Trace, backend: Backend, directory: Path) -> Path:
    scenario, variant = live.lesson.scenario, live.lesson.scenario.variants[0]
    settings = variant.settings
    path = directory / f"{NIGHT}.jsonl"
    night = Night(
        scenario.night.clock(), scenario.night.to_s, scenario.steps, sent, settings.longest_timeout_s, settings.application_server.overflow
    )
    async with backend:
        builder = backend.builder(scenario.facility, settings)
        live.scene.header = header(scenario, variant, sent, backend, 1)  # once more: it names what runs, now that the backend is entered
        with JournalWriter(path, live.scene.header) as writer:
            await live.play(night, builder, writer, directory / NIGHT)
    return path


async def _wait_for_ever_and_raise(error: Exception) -> None:
    """Wait until the class is over, and raise the error then: the page stays meanwhile."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise error from None


async def show(data: bytes, place: Place, opened: Callable[[Addresses], None]) -> None:
    """Serve the page of a recorded night, of which `data` is the script, until this task is cancelled."""
    with addresses.listen(place.host, place.port) as listening:
        found = Addresses(place.host, listening.getsockname()[1])
        async with _serving(server.application(None, found.tokens, data), listening):
            opened(found)
            await asyncio.Event().wait()


@asynccontextmanager
async def _serving(app: Starlette, listening: socket.socket, *beside: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Serve while the block runs; a server that fails ends the block."""
    task = asyncio.current_task()
    assert task is not None
    serving = [asyncio.create_task(server.serve(app, listening)), *(asyncio.create_task(work) for work in beside)]
    failed: list[BaseException] = []

    def end(ended: asyncio.Task[None]) -> None:
        if not ended.cancelled() and (failure := ended.exception()) is not None:
            failed.append(failure)
            task.cancel()

    for each in serving:
        each.add_done_callback(end)
    try:
        yield
    except asyncio.CancelledError:
        if failed:
            raise failed[0] from None
        raise
    finally:
        await cancel_and_wait(serving)
