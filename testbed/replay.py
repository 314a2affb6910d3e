"""The replay of one night over one variant: the only stage with effects, and the one function that knows the order of things."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import aiohttp

from testbed import load
from testbed.act import Actions, Recorder
from testbed.errors import TestbedError, WaitError
from testbed.events import Condition, End, Observed, Operation, Service
from testbed.facility import LOAD
from testbed.observe import samples
from testbed.observe.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from testbed.clock import NightClock
    from testbed.events import Progress
    from testbed.facility import Facility
    from testbed.journal import JournalWriter
    from testbed.load import Load
    from testbed.scenario import PlannedStep
    from testbed.trace import Trace

SAMPLE_EVERY_S = 0.1
SAMPLES_WITHIN_S = 10.0
STEADY_SAMPLES = 2
SETTLE_S = 0.4  # so long nothing may come back before the replay believes that nothing will
CLOSING_WITHIN_S = 20.0


class Display(Protocol):
    """Something that is told how a replay goes."""

    def phase(self, text: str) -> None:
        """Tell what begins now."""

    def update(self, night_s: float, watch: Watch, load: Load) -> None:
        """Show the state, after each round of samples."""

    def quiet(self) -> None:
        """Take note that from now on nothing moves: all is hung, or the night is over. May be called more than once."""


class Silent:
    """The do-nothing display."""

    def phase(self, text: str) -> None:
        """Tell nothing."""

    def update(self, night_s: float, watch: Watch, load: Load) -> None:
        """Show nothing."""

    def quiet(self) -> None:
        """Take no note."""


class FacilityBuilder(Protocol):
    """Makes the facility of one replay."""

    async def build(self) -> Facility:
        """Start everything and return when the services are ready."""

    async def tear_down(self) -> None:
        """End everything that `build` started, also when it failed half way."""


@dataclass(frozen=True, slots=True)
class Night:
    """What is replayed: the clock, the end of the night in its own seconds, the timeline and the trace."""

    clock: NightClock
    to_s: float
    steps: Sequence[PlannedStep]
    trace: Trace


@dataclass(slots=True)
class Replay:
    """A replay that goes on: its parts, and the tasks in its background."""

    night: Night
    facility: Facility
    recorder: Recorder
    watch: Watch
    actions: Actions
    load: Load
    display: Display
    background: list[asyncio.Task[None]] = field(default_factory=list)
    sampled: asyncio.Event = field(default_factory=asyncio.Event)
    dumped: asyncio.Task[None] | None = None
    dead: set[str] = field(default_factory=set)


async def replay(night: Night, builder: FacilityBuilder, writer: JournalWriter, directory: Path, display: Display) -> None:
    """Replay the night and leave a complete journal; `directory` takes the thread dumps.

    1. Build the facility and the load generator, and wait until every service says that it is ready.
    2. Look: sample every service ten times a second until the end. When all is hung, dump the threads at once,
       before anybody restarts anything.
    3. Start the night's clock and the load.
    4. Carry out the timeline: what is due `at` a time, and what is due `when` something is seen; and go on to the night's end.
    5. Look on until everything was answered, or nothing comes back any more.
    6. Dump the threads of what is stuck, where that was not done.
    7. Write the end into the journal, and take everything down.

    An interruption or an error becomes the journal's end, and is passed on.
    """
    recorder = Recorder(writer, night.clock, origin_s=time.monotonic())
    try:
        async with AsyncExitStack() as stack:
            display.phase("the facility comes up")
            run = await _build(stack, night, builder, recorder, directory, display)  # 1
            session = await stack.enter_async_context(aiohttp.ClientSession())
            stack.push_async_callback(_cancel, run.background)
            _in_background(run, _look(run, session))  # 2
            _in_background(run, run.load.follow())
            await _wait_steady(run)
            display.phase("the night goes on")
            recorder.night_start_s = run.load.start()  # 3
            await _carry_out(run)  # 4
            display.phase("the night is over; who still waits?")
            display.quiet()
            await _wait_settled(run)  # 5
            await _dump_stuck(run)  # 6
            _end(recorder, "complete", "")  # 7
            display.phase("the facility is taken down")
    except asyncio.CancelledError:
        _end(recorder, "interrupted", "the replay was interrupted")
        raise
    except TestbedError as error:
        with suppress(TestbedError):  # a journal that cannot be written to is the error itself
            _end(recorder, "failed", str(error))
        raise


async def _build(
    stack: AsyncExitStack,
    night: Night,
    builder: FacilityBuilder,
    recorder: Recorder,
    directory: Path,
    display: Display,
) -> Replay:
    stack.push_async_callback(builder.tear_down)
    facility = await builder.build()
    addresses = {caller: facility.runtime.address(caller) for caller in facility.callers}
    generator = await load.connect(night.trace, recorder, facility.runtime.address(LOAD), addresses)
    stack.callback(generator.stop)
    for service in facility.services:
        _tell_service(recorder, facility, service, "ready", "")
    watch = Watch(facility.application_servers, facility.callers)
    return Replay(night, facility, recorder, watch, Actions(facility, watch, recorder, directory), generator, display)


def _in_background(run: Replay, work: Coroutine[Any, Any, None]) -> None:
    """Let a task run beside the night; `_check` passes its failure on, and `_cancel` ends it before anything is taken down."""
    run.background.append(asyncio.create_task(work))


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    """End tasks and wait until they have ended; their failures were passed on by `_check`, or something failed before them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _check(run: Replay) -> None:
    """Pass on the failure of what goes on beside the night."""
    for task in run.background:
        if task.done() and not task.cancelled():
            task.result()


async def _look(run: Replay, session: aiohttp.ClientSession) -> None:
    """Sample every service until cancelled, each round at its time; look after the processes; dump when all is hung."""
    due_s = time.monotonic()
    while True:
        seen = await asyncio.gather(
            *(samples.read(session, name, run.facility.runtime.address(name), run.recorder.now) for name in run.facility.services)
        )
        for sample in seen:
            run.watch.see(sample)
            run.recorder.add(sample)
        _look_after_processes(run)
        if run.dumped is None and run.watch.hung():
            run.dumped = asyncio.create_task(_dump_hung(run))
            run.background.append(run.dumped)
        run.display.update(run.recorder.now()[1], run.watch, run.load)
        run.sampled.set()
        run.sampled = asyncio.Event()
        due_s = max(due_s + SAMPLE_EVERY_S, time.monotonic())
        await asyncio.sleep(due_s - time.monotonic())


async def _dump_hung(run: Replay) -> None:
    await run.actions.dump_threads()
    if not any(step.when for step in run.night.steps):  # or somebody is about to restart what hangs
        run.display.quiet()


def _look_after_processes(run: Replay) -> None:
    """Write down a service that has died, once."""
    for name in run.facility.services:
        ended = run.facility.runtime.exit(name)
        if ended is None:
            run.dead.discard(name)
        elif name not in run.dead and name not in run.facility.restarting:
            run.dead.add(name)
            _tell_service(run.recorder, run.facility, name, "died", f"exit code {ended.code}\n{ended.last_lines}")


def _tell_service(recorder: Recorder, facility: Facility, name: str, state: Literal["ready", "died"], detail: str) -> None:
    t_s, night_s = recorder.now()
    recorder.add(Service(t_s=t_s, night_s=night_s, service=name, state=state, pid=facility.runtime.pid(name), detail=detail))


async def _wait_sample(run: Replay) -> None:
    """Wait for the next round of samples; raises what failed in the background."""
    try:
        await asyncio.wait_for(run.sampled.wait(), SAMPLES_WITHIN_S)
    except TimeoutError as error:
        _check(run)
        raise WaitError(f"no samples for {SAMPLES_WITHIN_S:.0f} s, last seen: {run.watch.told()}") from error
    finally:
        _check(run)


async def _wait_until(run: Replay, reached: Callable[[], bool], within_s: float) -> bool:
    """Wait, looking after each round of samples, until something holds; False when it did not within `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not reached():
        if time.monotonic() > deadline:
            return False
        await _wait_sample(run)
    return True


async def _wait_steady(run: Replay) -> None:
    """Wait for some samples of the facility at rest, which the night is compared with."""
    for _ in range(STEADY_SAMPLES):
        await _wait_sample(run)


async def _carry_out(run: Replay) -> None:
    """Carry out the timeline and go on to the night's end.

    Each step is a task of its own, so that a step that waits for a condition holds up none that is due at a time; one that waits
    for a condition starts to look when the step before it has ended.
    """
    before: asyncio.Task[None] | None = None
    steps = []
    for number, step in enumerate(run.night.steps, start=1):
        before = asyncio.create_task(_step(run, number, step, before))
        steps.append(before)
        run.background.append(before)
    await _wait_night(run, run.night.to_s)
    while not all(task.done() for task in steps):
        await _wait_sample(run)
    for task in steps:
        task.result()


async def _wait_night(run: Replay, night_s: float) -> None:
    """Wait until the night's clock shows a time; the samples keep coming meanwhile, and their failure is passed on."""
    assert run.recorder.night_start_s is not None
    due_s = run.recorder.night_start_s + run.night.clock.real_s(night_s)
    while (left_s := due_s - time.monotonic()) > 0:
        if left_s > SAMPLE_EVERY_S:
            await _wait_sample(run)
        else:
            await asyncio.sleep(left_s)


async def _step(run: Replay, number: int, step: PlannedStep, before: asyncio.Task[None] | None) -> None:
    """Carry out one step of the timeline: when it is due, or when its condition is seen; not at all when that is not seen."""
    if step.at_night_s is not None:
        await _wait_night(run, step.at_night_s)
    else:
        if before is not None:
            await asyncio.wait([before])
        condition = step.when or ""
        seen = await _wait_until(run, lambda: run.watch.holds(condition), step.within_s)
        t_s, night_s = run.recorder.now()
        run.recorder.add(Condition(t_s=t_s, night_s=night_s, condition=condition, seen=seen, detail=run.watch.told()))
        if not seen:
            return
    actions = replace(run.actions, word=step.word, id=number)
    started = time.monotonic()
    _tell_operation(run, step.word, number, "begin", "", None)
    try:
        done = await step.do(actions)
    except TestbedError as error:
        _tell_operation(run, step.word, number, "failed", str(error), time.monotonic() - started)
        return  # the journal has it, and the checks judge it; the night goes on, as it did
    _tell_operation(run, step.word, number, "end", done, time.monotonic() - started)


def _tell_operation(run: Replay, word: str, number: int, state: Progress, detail: str, duration_s: float | None) -> None:
    t_s, night_s = run.recorder.now()
    run.recorder.add(Operation(t_s=t_s, night_s=night_s, operation=word, id=number, state=state, detail=detail, duration_s=duration_s))


async def _wait_settled(run: Replay) -> None:
    """Wait until every request was answered, or nothing has come back for a while; write down what was looked at."""
    since_s = run.recorder.t_s()

    def settled() -> bool:
        quiet_s = run.recorder.t_s() - max(run.load.last_response_s, since_s)
        return run.load.all_sent and (run.load.in_flight == 0 or quiet_s > SETTLE_S)

    await _wait_until(run, settled, CLOSING_WITHIN_S)
    await _wait_sample(run)
    t_s, night_s = run.recorder.now()
    since_s = max(since_s, t_s - SETTLE_S)
    run.recorder.add(Observed(t_s=t_s, night_s=night_s, phase="settle", since_s=since_s, until_s=t_s))


async def _dump_stuck(run: Replay) -> None:
    """See to it that what is stuck at the end has been dumped."""
    if run.dumped is not None:
        await run.dumped
    elif run.watch.stuck:
        await run.actions.dump_threads()


def _end(recorder: Recorder, reason: Literal["complete", "interrupted", "failed"], detail: str) -> None:
    t_s, night_s = recorder.now()
    recorder.add(End(t_s=t_s, night_s=night_s, reason=reason, detail=detail))
