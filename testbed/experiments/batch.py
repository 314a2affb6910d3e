"""A batch of replays: for each repetition and each variant a replay, its journal, and its judgement."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from testbed.concurrency import cancel_and_wait, run_interruptible
from testbed.errors import FacilityError, InterruptionError, UsageError
from testbed.experiments import run_folders
from testbed.experiments.attempts import Turns
from testbed.experiments.header import header
from testbed.experiments.planned import planned, require_between
from testbed.facility.runtime import RUNTIMES
from testbed.journal import reader
from testbed.journal.writer import JournalWriter
from testbed.plan import passengers
from testbed.plan.scenario import Scenario
from testbed.replay.display import SilentDisplay
from testbed.replay.replay import replay
from testbed.replay.running import Night
from testbed.runtime import backends
from testbed.verdict import judge
from testbed.verdict.finding import Verdict
from testbed.verdict.result import Result

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine
    from contextlib import AbstractContextManager
    from os import PathLike

    from testbed.facility.address import Address
    from testbed.facility.backend import Backend
    from testbed.facility.builder import Builder
    from testbed.plan.scenario import Variant
    from testbed.plan.trace import Trace
    from testbed.replay.display import Display
    from testbed.replay.load_tracker import LoadTracker
    from testbed.replay.state import FacilityState
    from testbed.verdict.judge import Judgement

Done = TypeVar("Done")
MAX_REPETITIONS = 1_000


def placed(
    plan: Scenario, runtime: str, *, as_fast: bool, toxiproxy: Address | None = None, postgres: str | None = None, jobs: int = 1
) -> tuple[Scenario, Backend]:
    """Return a scenario as a runtime replays it, and its backend, not yet entered; with `as_fast`, the night keeps its speed.

    `jobs`: how many replays are to go on at a time.

    Raises FacilityError for a runtime that lacks what the scenario needs, and UsageError for one that is not there.
    """
    if runtime not in RUNTIMES:
        raise UsageError(f"no runtime {runtime!r}; there are {', '.join(RUNTIMES)}")
    backend = backends.of(runtime, toxiproxy, postgres, jobs=jobs)
    if lacking := backend.lacks(plan):
        raise FacilityError(lacking)
    return plan if as_fast else plan.slowed(backend.slowdown), backend


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
    service: str | PathLike[str] | None = None,
    repetitions: int = 1,
    runs: str | PathLike[str] | None = None,
) -> tuple[Result, ...]:
    """Replay a scenario without a display, and return its results in order; `testbed.replay`, for whoever has an event loop."""
    require_between("repetitions", repetitions, 1, MAX_REPETITIONS, whole=True, optional=False)
    plan = planned(scenario, variants, seed=seed, rate_per_minute=rate_per_minute, speed=speed, service=service)
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
    jobs: int = 1,
) -> AsyncGenerator[tuple[AsyncGenerator[Result, None], Path], None]:
    """Yield the replays of a scenario, each to be awaited, and the directory of their journals (`leads`: see `run_folders`).

    Whatever happens, all is taken down at the end, and a directory without a journal removed.
    """
    sent = passengers.of(plan)
    directory = run_folders.runs_directory(runs, plan.name, leads=leads)
    try:
        async with (
            backend,
            aclosing(replay_all(plan, sent, repetitions, backend, directory, show, jobs=jobs)) as replays,
        ):
            yield replays, directory
    finally:
        run_folders.drop_if_empty(directory)


@dataclass(slots=True)
class BuildAhead:
    """A display that begins to build the next facility when the one before has gone quiet, and passes everything on.

    So the seconds in which the replay only looks on are not lost; and nothing is started beside a facility that is at work. `following`
    has the facilities that nobody has begun to build yet, in order.
    """

    display: Display
    following: deque[Builder]

    def phase(self, text: str) -> None:
        """Pass it on."""
        self.display.phase(text)

    def update(self, night_s: float, state: FacilityState, load: LoadTracker) -> None:
        """Pass it on."""
        self.display.update(night_s, state, load)

    def quiet(self) -> None:
        """Begin with the next."""
        if self.following:
            self.following[0].begin()


async def replay_all(
    scenario: Scenario,
    sent: Trace,
    repetitions: int,
    backend: Backend,
    directory: Path,
    show: Callable[[str], AbstractContextManager[Display]],
    *,
    jobs: int = 1,
) -> AsyncGenerator[Result, None]:
    """Send the same trace to every variant so often, and judge each; `directory` takes journals and dumps.

    `backend` has to be entered. `show` makes the display of a replay from its title. `jobs`: how many replays go on at a time. One that
    went on beside others, and of which something is unknown, is made again alone; what it left before is renamed, and nobody judges it.
    """
    turns = [(variant, repetition) for repetition in range(1, repetitions + 1) for variant in scenario.variants]
    builders = deque(backend.builder(scenario.facility, variant.settings) for variant, _ in turns)
    service = scenario.facility.service
    own = 0 if service is None else service.max_connections
    night = Night(scenario.night.clock(), scenario.night.to_s, scenario.steps, sent, pool_connections=own)
    taking_turns = Turns(jobs)
    running: deque[asyncio.Task[Result]] = deque()
    async with AsyncExitStack() as stack:
        for builder in builders:
            stack.push_async_callback(builder.tear_down)
        stack.push_async_callback(cancel_and_wait, running)

        async def attempt(variant: Variant, repetition: int, number: int) -> Result:
            started, settings = time.monotonic(), variant.settings
            name = variant.name if repetitions == 1 else f"{variant.name}-{repetition:03}"
            title = f"{scenario.name}, {variant.name}" + (f" ({repetition} of {repetitions})" if repetitions > 1 else "")
            if number == 1:
                builder = builders.popleft()
            else:
                title += ", again and alone"
                _set_aside(directory, name, number - 1)
                builder = backend.builder(scenario.facility, settings)
                stack.push_async_callback(builder.tear_down)
            path = directory / f"{name}.jsonl"
            of_variant = replace(
                night,
                longest_timeout_s=max(settings.longest_timeout_s, scenario.longest_timeout_s),
                pool_overflow=settings.application_server.overflow,
            )
            with (
                JournalWriter(path, header(scenario, variant, sent, backend, repetition)) as writer,
                show(title) as display,
            ):
                await replay(of_variant, builder, writer, directory / name, BuildAhead(display, builders))
            journal = reader.read(path)
            judgement = judge.judge(journal)
            keep_tracebacks(path, judgement)
            return Result(journal, judgement, time.monotonic() - started)

        for variant, repetition in turns:
            known = taking_turns.replay_until_known(partial(attempt, variant, repetition), partial(_is_believed, jobs))
            running.append(asyncio.create_task(known))
            if len(running) == jobs:
                yield await running.popleft()
        while running:
            yield await running.popleft()


def _is_believed(jobs: int, result: Result) -> bool:
    """Whether a result stands: what is unknown may be so because other replays went on beside it."""
    return jobs == 1 or result.judgement.verdict is not Verdict.UNKNOWN


def _set_aside(directory: Path, name: str, number: int) -> None:
    """Rename what an attempt left that is made again, so that nothing is lost and nobody judges it for the other."""
    for path in (directory / f"{name}.jsonl", directory / f"{name}.tracebacks.txt", directory / name):
        with suppress(OSError):
            path.rename(directory / f"{path.name}.attempt-{number}")


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
