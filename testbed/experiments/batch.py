"""A batch of replays: for each repetition and each variant a replay, its journal, and its judgement."""

from __future__ import annotations

import asyncio
import datetime
import fcntl
import itertools
import os
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from testbed.concurrency import run_interruptible
from testbed.errors import FacilityError, InterruptionError, TestbedError, UsageError
from testbed.experiments.header import header
from testbed.experiments.planned import planned, require_between
from testbed.facility.runtime import RUNTIMES
from testbed.journal import reader
from testbed.journal.writer import JournalWriter
from testbed.plan import passengers
from testbed.plan.decoding import path_text
from testbed.plan.scenario import Scenario
from testbed.plan.trace import FULL
from testbed.replay.display import SilentDisplay
from testbed.replay.replay import replay
from testbed.replay.running import Night
from testbed.runtime import backends
from testbed.verdict import judge
from testbed.verdict.result import Result

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
    from contextlib import AbstractContextManager
    from os import PathLike

    from testbed.facility.address import Address
    from testbed.facility.backend import Backend
    from testbed.facility.builder import Builder
    from testbed.plan.trace import Trace
    from testbed.replay.display import Display
    from testbed.replay.load_tracker import LoadTracker
    from testbed.replay.state import FacilityState
    from testbed.verdict.judge import Judgement

Done = TypeVar("Done")
LATEST = "latest"
MAX_REPETITIONS = 1_000


def placed(
    plan: Scenario, runtime: str, *, as_fast: bool, toxiproxy: Address | None = None, postgres: str | None = None
) -> tuple[Scenario, Backend]:
    """Return a scenario as a runtime replays it, and its backend, not yet entered; with `as_fast`, the night keeps its speed.

    Raises FacilityError for a runtime that lacks what the scenario needs, and UsageError for one that is not there.
    """
    if runtime not in RUNTIMES:
        raise UsageError(f"no runtime {runtime!r}; there are {', '.join(RUNTIMES)}")
    backend = backends.of(runtime, toxiproxy, postgres)
    if lacking := backend.lacks(plan):
        raise FacilityError(lacking)
    return plan if as_fast else plan.slowed(backend.slowdown), backend


def runs_home(runs: str | PathLike[str] | None) -> Path:
    """Return the directory that holds one directory for each run."""
    return Path(runs or ".testbed/runs")


def runs_directory(given: str | PathLike[str] | None, scenario: str, *, leads: bool = True) -> Path:
    """Make a directory for the journals of this command, which no other run has.

    `latest` beside it then leads to it, where links can be made, unless it is part of another run (`leads` False). Raises UsageError when
    it cannot be made, TestbedError on a full disk.
    """
    home = runs_home(None if given is None else path_text("runs", given))
    stamp = datetime.datetime.now(tz=datetime.UTC).strftime("%Y%m%d-%H%M%S")
    name = f"{stamp}-{scenario}-{os.getpid()}"
    try:
        path = _make_next(home, name)
    except OSError as error:
        kind = TestbedError if error.errno in FULL else UsageError
        raise kind(f"no directory for journals at {home / name}: {error.strerror}; give another with --runs") from error
    except ValueError as error:  # a null character, or one that no file name has
        raise UsageError(f"runs: found {given!r}; allowed: a path that the system can have ({error})") from error
    if leads:
        _lead_to(path)
    return path


def _make_next(home: Path, name: str) -> Path:
    """Make a directory of this name, or with a number after it: this process may have begun another replay in the same second."""
    for number in itertools.count(1):
        path = home / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not os.path.lexists(path):  # something above it is no directory
                raise
        else:
            break
    return path


def drop_if_empty(directory: Path) -> None:
    """Remove the directory of a run that kept no journal; `latest` then leads to the run that is left whose journal is the newest."""
    try:
        directory.rmdir()
    except OSError:  # something is in it, and stays
        return
    latest = directory.parent / LATEST
    with suppress(OSError), _link_locked(directory.parent):
        if latest.readlink() != Path(directory.name):  # another run's
            return
        newest_s = {path: made_s for path in directory.parent.iterdir() if not path.is_symlink() and (made_s := _newest_s(path))}
        if newest_s:
            _replace_link(max(newest_s, key=lambda path: newest_s[path]))
        else:
            latest.unlink()


def _newest_s(run: Path) -> float:
    """Return the time of the newest journal in a run's directory; 0 if it has none."""
    return max((journal.stat().st_mtime for journal in run.rglob("*.jsonl")), default=0.0) if run.is_dir() else 0.0


def _lead_to(directory: Path) -> None:
    """Make `latest` beside a run's directory lead to it, in one step, so that no other run sees it missing; no link is no error."""
    with suppress(OSError), _link_locked(directory.parent):
        _replace_link(directory)


def _replace_link(directory: Path) -> None:
    link, latest = directory.parent / f".{LATEST}-{directory.name}", directory.parent / LATEST
    if os.path.lexists(latest) and not latest.is_symlink():
        return  # something of the user's has that name
    try:
        link.symlink_to(directory.name)
        link.replace(latest)
    except OSError:  # a file system without links
        with suppress(OSError):
            link.unlink()


@contextmanager
def _link_locked(home: Path) -> Iterator[None]:
    """Wait until no other run changes `latest`: what it makes of it between a look and a replacement would be lost."""
    opened = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def run_in_own_loop(work: Coroutine[Any, Any, Done], instead: str) -> Done:
    """Run work to its end where no event loop runs; raises UsageError in one, which says what to await `instead`.

    A signal takes everything down, and then does what it would have done: Ctrl-C raises KeyboardInterrupt, SIGTERM ends the process.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # as it should be
        pass
    else:
        work.close()  # or Python would warn that nobody awaited it
        raise UsageError(f"an event loop runs here, and would stand still until all is over; await {instead} in it")
    try:
        return run_interruptible(work)
    except InterruptionError as error:
        interruption = error
    if interruption.signal_number is not None:
        signal.raise_signal(interruption.signal_number)
    raise interruption  # a handler of the caller's own took the signal, and went on


async def replay_scenario(
    scenario: str | PathLike[str] | Scenario,
    *,
    variants: Sequence[str] = (),
    runtime: str = "processes",
    seed: int | None = None,
    rate_per_minute: float | None = None,
    speed: float | None = None,
    repetitions: int = 1,
    runs: str | PathLike[str] | None = None,
) -> tuple[Result, ...]:
    """Replay a scenario without a display, and return its results in order; `testbed.replay`, for whoever has an event loop."""
    require_between("repetitions", repetitions, 1, MAX_REPETITIONS, whole=True, optional=False)
    plan = planned(scenario, variants, seed=seed, rate_per_minute=rate_per_minute, speed=speed)
    plan, backend = placed(plan, runtime, as_fast=speed is not None)
    async with started(plan, backend, repetitions, runs, lambda _: nullcontext(SilentDisplay())) as (replays, _):
        return tuple([result async for result in replays])


@asynccontextmanager
async def started(
    plan: Scenario,
    backend: Backend,
    repetitions: int,
    runs: str | PathLike[str] | None,
    show: Callable[[str], AbstractContextManager[Display]],
    *,
    leads: bool = True,
) -> AsyncGenerator[tuple[AsyncGenerator[Result, None], Path], None]:
    """Yield the replays of a scenario, each to be awaited, and the directory of their journals (`leads`: see `runs_directory`).

    Whatever happens, all is taken down at the end, and a directory without a journal removed.
    """
    sent = passengers.of(plan)
    directory = runs_directory(runs, plan.name, leads=leads)
    try:
        async with (
            backend,
            aclosing(replay_all(plan, sent, repetitions, backend, directory, show)) as replays,
        ):
            yield replays, directory
    finally:
        drop_if_empty(directory)


@dataclass(slots=True)
class BuildAhead:
    """A display that begins to build the next facility when the one before has gone quiet, and passes everything on.

    So the seconds in which the replay only looks on are not lost; and nothing is started beside a facility that is at work.
    """

    display: Display
    following: Builder | None

    def phase(self, text: str) -> None:
        """Pass it on."""
        self.display.phase(text)

    def update(self, night_s: float, state: FacilityState, load: LoadTracker) -> None:
        """Pass it on."""
        self.display.update(night_s, state, load)

    def quiet(self) -> None:
        """Begin with the next."""
        if self.following is not None:
            self.following.begin()


async def replay_all(
    scenario: Scenario,
    sent: Trace,
    repetitions: int,
    backend: Backend,
    directory: Path,
    show: Callable[[str], AbstractContextManager[Display]],
) -> AsyncGenerator[Result, None]:
    """Send the same trace to every variant so often, in turn, and judge each; `directory` takes journals and dumps.

    `backend` has to be entered. `show` makes the display of a replay from its title.
    """
    turns = [(variant, repetition) for repetition in range(1, repetitions + 1) for variant in scenario.variants]
    builders = [backend.builder(scenario.facility, variant.settings) for variant, _ in turns]
    night = Night(scenario.night.clock(), scenario.night.to_s, scenario.steps, sent)
    async with AsyncExitStack() as stack:
        for builder in builders:
            stack.push_async_callback(builder.tear_down)
        for (variant, repetition), builder, following in zip(turns, builders, [*builders[1:], None], strict=True):
            started = time.monotonic()
            name = variant.name if repetitions == 1 else f"{variant.name}-{repetition:03}"
            path = directory / f"{name}.jsonl"
            title = f"{scenario.name}, {variant.name}" + (f" ({repetition} of {repetitions})" if repetitions > 1 else "")
            settings = variant.settings
            of_variant = replace(night, longest_timeout_s=settings.longest_timeout_s, pool_overflow=settings.application_server.overflow)
            with (
                JournalWriter(path, header(scenario, variant, sent, backend, repetition)) as writer,
                show(title) as display,
            ):
                await replay(of_variant, builder, writer, directory / name, BuildAhead(display, following))
            journal = reader.read(path)
            judgement = judge.judge(journal)
            keep_tracebacks(path, judgement)
            yield Result(journal, judgement, time.monotonic() - started)


def keep_tracebacks(path: Path, judgement: Judgement) -> None:
    """Write the tracebacks of checks that themselves failed beside the journal; where that cannot be, `--json` still has them."""
    failed = [f"{finding.check}: {finding.text}\n{finding.traceback}" for finding in judgement.findings if finding.traceback]
    if failed:
        with suppress(OSError):
            path.with_suffix(".tracebacks.txt").write_text("\n".join(failed), encoding="utf-8")


async def replay_once(scenario: Scenario, sent: Trace, backend: Backend, directory: Path) -> Result:
    """Replay the first variant of a scenario once, without a display; raises TestbedError if that cannot be done."""
    replays = replay_all(scenario, sent, 1, backend, directory, lambda _: nullcontext(SilentDisplay()))
    async with aclosing(replays) as results:
        return await anext(results)
