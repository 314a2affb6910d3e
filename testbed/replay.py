"""The replay of one night over one variant: the only stage with effects, and the one function that knows the order of things."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from testbed import load
from testbed.act import Actions, Recorder
from testbed.concurrency import cancel_and_wait
from testbed.errors import TestbedError, WaitError
from testbed.events import Condition, Healed, Observed, Operation, Sample
from testbed.observe.watch import Watch
from testbed.standstill import STUCK_S

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from testbed.clock import NightClock
    from testbed.events import Progress
    from testbed.facility import Facility
    from testbed.journal import JournalWriter
    from testbed.load import Load
    from testbed.observe.samples import Monitoring
    from testbed.observe.scales import Scales
    from testbed.scenario import PlannedStep
    from testbed.surroundings import Surroundings
    from testbed.trace import Trace

SAMPLE_EVERY_S = 0.1
SAMPLES_WITHIN_S = 10.0
LOOK_AROUND_EVERY_S = 1.0
STEADY_SAMPLES = 2
SETTLE_S = 0.4  # so long, at least, nothing may come back before the replay believes that nothing will
SLOWEST_TIMES = 2  # and so many times as long as the slowest answer of the night took
CLOSING_QUIET_S = 20.0  # where not everything is stuck, so long nothing may come back before what waits is given up
CLOSING_WITHIN_S = 120.0  # and so long in all


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
    """What is replayed: the clock, the end of the night in its own seconds, the timeline and the trace.

    `longest_timeout_s`: the longest time-out that the variant has set, in real seconds. So long something that hangs may yet come back.
    """

    clock: NightClock
    to_s: float
    steps: Sequence[PlannedStep]
    trace: Trace
    longest_timeout_s: float = 0.0


@dataclass(slots=True)
class Replay:
    """A replay that goes on: its parts, and the tasks in its background.

    `moved_s` is when the replay itself last did something that may make the facility move (on the journal's `t_s`), and `at_work`
    how many steps of the timeline are being carried out.
    """

    night: Night
    facility: Facility
    recorder: Recorder
    watch: Watch
    actions: Actions
    load: Load
    display: Display
    background: list[asyncio.Task[None]] = field(default_factory=list)
    steps: list[asyncio.Task[None]] = field(default_factory=list)
    sampled: asyncio.Event = field(default_factory=asyncio.Event)
    dumping: asyncio.Task[None] | None = None
    dead: set[str] = field(default_factory=set)
    at_work: int = 0
    moved_s: float = 0.0


async def replay(night: Night, builder: FacilityBuilder, writer: JournalWriter, directory: Path, display: Display) -> None:
    """Replay the night and leave a complete journal; `directory` takes the thread dumps.

    1. Build the facility and the load generator, and wait until every service says that it is ready.
    2. Look: sample every service ten times a second until the end, and look once a second at what stands around them. When all is
       hung, dump the threads at once, before anybody restarts anything. Weigh everything, as often as the scenario says.
    3. Start the night's clock and the load.
    4. Carry out the timeline: what is due `at` a time, and what is due `when` something is seen; and go on to the night's end.
    5. Look on until everything was answered, or nothing comes back any more.
    6. Dump the threads of what is stuck, where that was not done.
    7. Count what was answered in the databases and backups that should have it, where the runtime has them.
    8. Look no more, undo every fault that is still active, and see that nothing is left of it: none outlives its scenario.
    9. Write the end into the journal, and take everything down.

    An interruption or an error becomes the journal's end, and is passed on. Time is the event loop's: over `testbed.fakes`, with its
    loop, the whole of it takes milliseconds.
    """
    recorder = Recorder(writer, night.clock, origin_s=asyncio.get_running_loop().time())
    try:
        async with AsyncExitStack() as stack:
            display.phase("the facility comes up")
            run = await _build(stack, night, builder, recorder, directory, display)  # 1
            monitoring = await stack.enter_async_context(run.facility.instruments.monitoring())
            stack.push_async_callback(cancel_and_wait, run.background)
            _in_background(run, _look(run, monitoring))  # 2
            _in_background(run, _record(run, run.facility.surroundings, LOOK_AROUND_EVERY_S))
            _in_background(run, _record(run, run.facility.scales, run.facility.scales.every_s))
            _in_background(run, run.load.follow())
            await _wait_steady(run)
            display.phase("the night goes on")
            recorder.night_start_s = run.load.start()  # 3
            await _carry_out(run)  # 4
            display.phase("the night is over; who still waits?")
            display.quiet()
            await _wait_settled(run)  # 5
            await _dump_stuck(run)  # 6
            await _count(run)  # 7
            await cancel_and_wait(run.background)  # or what comes back because of the healing would look as if it had come back by itself
            await _heal(run)  # 8
            recorder.end("complete", "")  # 9
            display.phase("the facility is taken down")
    except asyncio.CancelledError:
        with suppress(TestbedError):  # a journal that cannot be written to changes nothing of the interruption
            recorder.end("interrupted", "the replay was interrupted")
        raise
    except TestbedError as error:
        with suppress(TestbedError):  # a journal that cannot be written to is the error itself
            recorder.end("failed", str(error))
        raise
    except Exception as error:  # an error of ours: without an end the journal would look like that of a killed run
        with suppress(TestbedError):
            recorder.end("failed", f"an error of the testbed itself: {type(error).__name__}: {error}")
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
    stack.push_async_callback(facility.end_probes)
    generator = await load.connect(night.trace, recorder, facility)
    stack.callback(generator.stop)
    for service in facility.services:
        recorder.tell_service(service, "ready", await facility.runtime.pid(service))
    watch = Watch(facility.application_servers, facility.callers)
    return Replay(night, facility, recorder, watch, Actions(facility, watch, recorder, directory), generator, display)


def _in_background(run: Replay, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Let a task run beside the night; `_check` passes its failure on, and `cancel_and_wait` ends it before anything is taken down."""
    task = asyncio.create_task(work)
    run.background.append(task)

    def wake(ended: asyncio.Task[None]) -> None:
        """Wake who waits for samples when it has failed: there may be no more of them."""
        if not ended.cancelled() and ended.exception() is not None:
            run.sampled.set()

    task.add_done_callback(wake)
    return task


def _check(run: Replay) -> None:
    """Pass on the failure of what goes on beside the night."""
    for task in run.background:
        if task.done() and not task.cancelled():
            task.result()


async def _look(run: Replay, monitoring: Monitoring) -> None:
    """Sample every service until cancelled, each round at its time; look after the processes; dump when all is hung.

    A service that takes its time to answer holds up no other: it misses the rounds until it has.
    """
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    looks: dict[str, asyncio.Task[Sample]] = {}
    try:
        while True:
            for name in run.facility.services:
                if name not in looks:
                    looks[name] = asyncio.create_task(monitoring.read(name, run.facility.runtime.address(name), run.recorder.now))
            await asyncio.wait(looks.values(), timeout=SAMPLE_EVERY_S)
            for name in [name for name, look in looks.items() if look.done()]:
                sample = looks.pop(name).result()
                run.watch.see(sample)
                run.recorder.add(sample)
            await _look_after_processes(run)
            _look_after_hang(run)
            run.display.update(run.recorder.now()[1], run.watch, run.load)
            run.sampled.set()
            run.sampled = asyncio.Event()
            due_s = max(due_s + SAMPLE_EVERY_S, loop.time())
            await asyncio.sleep(due_s - loop.time())
    finally:
        await cancel_and_wait(looks.values())


async def _record(run: Replay, seer: Surroundings | Scales, every_s: float | None) -> None:
    """Write down what is seen until cancelled, each round at its time, or not at all (None); a long round costs those that it covers."""
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while every_s is not None:
        for event in await seer.look(run.recorder.now):
            run.recorder.add(event)
        due_s = max(due_s + every_s, loop.time())
        await asyncio.sleep(due_s - loop.time())


async def _look_after_processes(run: Replay) -> None:
    """Write down a service that has died, once."""
    for name in run.facility.services:
        ended = await run.facility.runtime.exit(name)
        if ended is None:
            run.dead.discard(name)
        elif name not in run.dead and name not in run.facility.down:
            run.dead.add(name)
            run.recorder.tell_service(name, "died", None, f"exit code {ended.code}\n{ended.last_lines}")


def _look_after_hang(run: Replay) -> None:
    """Have the threads dumped as soon as all is hung, each time that it hangs anew."""
    if not run.watch.hung():
        run.dumping = None
    elif run.dumping is None:
        run.dumping = _in_background(run, _dump_hung(run))


async def _dump_hung(run: Replay) -> None:
    await run.actions.dump_threads()
    if all(step.done() for step in run.steps):  # or somebody is about to restart what hangs
        run.display.quiet()


async def _wait_sample(run: Replay) -> None:
    """Wait for the next round of samples; raises what failed in the background, as soon as it does."""
    try:
        async with asyncio.timeout(SAMPLES_WITHIN_S):  # wait_for of Python 3.11 loses a cancellation that comes with the sample
            await run.sampled.wait()
    except TimeoutError as error:
        _check(run)
        raise WaitError(f"no samples for {SAMPLES_WITHIN_S:.0f} s, last seen: {run.watch.told()}") from error
    _check(run)


async def _wait_until(run: Replay, reached: Callable[[], bool], within_s: float) -> bool:
    """Wait, looking after each round of samples, until something holds; False when it did not within `within_s` seconds."""
    deadline_s = run.recorder.t_s() + within_s
    while not reached():
        if run.recorder.t_s() > deadline_s:
            return False
        await _wait_sample(run)
    return True


async def _wait_steady(run: Replay) -> None:
    """Wait for some samples of the facility at rest, which the night is compared with."""
    for _ in range(STEADY_SAMPLES):
        await _wait_sample(run)
    await _wait_until(run, lambda: len(run.watch.last) == len(run.facility.services), SAMPLES_WITHIN_S)


async def _carry_out(run: Replay) -> None:
    """Carry out the timeline and go on to the night's end.

    Each step is a task of its own, so that a step that waits for a condition holds up none that is due at a time; one that waits
    for a condition starts to look when the step before it has ended.
    """
    before: asyncio.Task[None] | None = None
    timed: list[tuple[float, asyncio.Event]] = []
    for number, step in enumerate(run.night.steps, start=1):
        due = asyncio.Event()
        if step.at_night_s is not None:
            timed.append((step.at_night_s, due))
        before = _in_background(run, _step(run, number, step, due, before))
        run.steps.append(before)
    _in_background(run, _call_when_due(run, timed))
    await _wait_night(run, run.night.to_s)
    while not all(task.done() for task in run.steps):
        await _wait_sample(run)


async def _call_when_due(run: Replay, timed: list[tuple[float, asyncio.Event]]) -> None:
    """Wake each step at its time; those of the same time in the order of the file."""
    for at_night_s, due in sorted(timed, key=lambda one: one[0]):
        await _wait_night(run, at_night_s)
        due.set()


async def _wait_night(run: Replay, night_s: float) -> None:
    """Wait until the night's clock shows a time; the samples keep coming meanwhile, and their failure is passed on."""
    assert run.recorder.night_start_s is not None
    due_s = run.recorder.night_start_s + run.night.clock.real_s(night_s) - run.recorder.origin_s
    while (left_s := due_s - run.recorder.t_s()) > 0:
        if left_s > SAMPLE_EVERY_S:
            await _wait_sample(run)
        else:
            await asyncio.sleep(left_s)


async def _step(run: Replay, number: int, step: PlannedStep, due: asyncio.Event, before: asyncio.Task[None] | None) -> None:
    """Carry out one step of the timeline: when it is due, or when its condition is seen; not at all when that is not seen."""
    if step.at_night_s is not None:
        await due.wait()
    else:
        if before is not None:
            await asyncio.wait([before])
        condition = step.when or ""
        await _wait_until(run, lambda: run.watch.holds(condition) or _is_over(run), step.within_s)
        seen = run.watch.holds(condition)
        run.recorder.add(Condition(**run.recorder.stamp(), condition=condition, seen=seen, detail=run.watch.told()))
        if not seen:
            return
    run.at_work += 1
    started_s = run.recorder.t_s()
    _tell_operation(run, step.word, number, "begin", "", None)
    try:
        done = await replace(run.actions, word=step.word, id=number).carry_out(step.action)
    except TestbedError as error:  # the journal has it, and the checks judge it; the night goes on, as it did
        _tell_operation(run, step.word, number, "failed", str(error), run.recorder.t_s() - started_s)
    else:
        _tell_operation(run, step.word, number, "end", done, run.recorder.t_s() - started_s)
    run.at_work -= 1
    run.moved_s = run.recorder.t_s()


def _tell_operation(run: Replay, word: str, number: int, state: Progress, detail: str, duration_s: float | None) -> None:
    run.recorder.add(Operation(**run.recorder.stamp(), operation=word, id=number, state=state, detail=detail, duration_s=duration_s))


def _quiet_s(run: Replay) -> float:
    """Give for how long nothing was sent, nothing has come back, and nothing was done that could make it."""
    return run.recorder.t_s() - max(run.load.last_sent_s, run.load.last_response_s, run.moved_s)


def _patience_s(run: Replay) -> float:
    """Give for how long nothing may come back before the replay believes that nothing will: longer than anything took that did."""
    return max(SETTLE_S, SLOWEST_TIMES * run.load.slowest_answer_s) + run.night.longest_timeout_s


def _is_settled(run: Replay) -> bool:
    """Whether everything has come back; or what has not waits where all is stuck, and has had the time that anything could take."""
    if not run.load.all_sent:
        return False
    if run.load.in_flight == 0:
        return True
    waiting = [caller for caller, count in run.load.in_flight_at.items() if count]
    stands = run.watch.at_rest() or all(run.watch.is_stuck(caller) for caller in waiting)
    return stands and _quiet_s(run) > _patience_s(run)


def _is_over(run: Replay) -> bool:
    """Whether a condition that has not been seen will not be any more.

    The night is over, nobody does anything, all has settled, and so long that what is stuck would have been seen to be.
    """
    over = run.recorder.now()[1] >= run.night.to_s and not run.at_work
    return over and _is_settled(run) and _quiet_s(run) > STUCK_S + 2 * SAMPLE_EVERY_S


async def _wait_settled(run: Replay) -> None:
    """Wait until every request was answered, or nothing comes back any more; write down what was looked at."""
    since_s = run.moved_s = run.recorder.t_s()
    more_s = run.night.longest_timeout_s

    def given_up() -> bool:
        return _quiet_s(run) > CLOSING_QUIET_S + more_s

    await _wait_until(run, lambda: _is_settled(run) or given_up(), CLOSING_WITHIN_S + more_s)
    await _wait_sample(run)
    t_s, night_s = run.recorder.now()
    run.recorder.add(Observed(t_s=t_s, night_s=night_s, phase="settle", since_s=max(since_s, t_s - _patience_s(run)), until_s=t_s))


async def _dump_stuck(run: Replay) -> None:
    """See to it that what is stuck at the end has been dumped."""
    if run.dumping is not None:
        await run.dumping
    if run.watch.stuck:
        await run.actions.dump_threads()


async def _count(run: Replay) -> None:
    """Count what was answered; the night is over, and whatever else was written was asked for by nobody who got an answer."""
    for event in await run.facility.surroundings.count(run.load.answers, run.recorder.now):
        run.recorder.add(event)
    _check(run)


async def _heal(run: Replay) -> None:
    """Undo what is still active, the last fault first, and look at what is left; one that cannot be undone keeps none of the others."""
    healed: list[str] = []
    failed: list[str] = []
    for active in reversed(tuple(run.facility.active)):
        try:
            await run.actions.heal(active)
        except TestbedError as error:
            failed.append(f"{active.word}: {error}")
        else:
            healed.append(active.word)
    left = failed + await run.facility.left_over()
    run.recorder.add(Healed(**run.recorder.stamp(), faults=tuple(healed), left=tuple(left)))
