"""A replay that goes on: its parts, its background tasks, and its waits."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from testbed.errors import WaitError
from testbed.replay.hangs import Hangs
from testbed.replay.look import SAMPLES_WITHIN_S
from testbed.replay.outages import Outages

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from testbed.facility.facility import Facility
    from testbed.plan.clock import NightClock
    from testbed.plan.scenario import PlannedStep
    from testbed.plan.trace import Trace
    from testbed.replay.actions import Actions
    from testbed.replay.display import Display
    from testbed.replay.load_tracker import LoadTracker
    from testbed.replay.look import Looker
    from testbed.replay.recorder import Recorder
    from testbed.replay.state import FacilityState

STEADY_ROUNDS = 2
ROUNDING_S = 1e-6  # less is nothing to wait for


@dataclass(frozen=True, slots=True)
class Night:
    """What is replayed: the clock, the end of the night in its own seconds, the timeline and the trace.

    `longest_timeout_s`: the longest time-out that the variant sets, in real seconds; a hanging call may still come back within it.
    `pool_overflow`: how many connections a pool opens beyond its size. `pool_connections`: the most that an application server opens which
    does not tell of its pool; 0 where all do.
    """

    clock: NightClock
    to_s: float
    steps: Sequence[PlannedStep]
    trace: Trace
    longest_timeout_s: float = 0.0
    pool_overflow: float = 0.0
    pool_connections: int = 0


@dataclass(slots=True)
class Replay:
    """The parts of a replay, and what goes on in it.

    `moved_s` is when the replay itself last did something that may make the facility move (on the journal's `t_s`), `worked_s` when a step
    of the timeline last ended, and `at_work` how many are being carried out.
    """

    night: Night
    facility: Facility
    recorder: Recorder
    state: FacilityState
    actions: Actions
    load: LoadTracker
    looker: Looker
    display: Display
    background: list[asyncio.Task[None]] = field(default_factory=list)
    steps: list[asyncio.Task[None]] = field(default_factory=list)
    dumping: asyncio.Task[None] | None = None
    at_work: int = 0
    moved_s: float = 0.0
    worked_s: float = 0.0
    hangs: Hangs = field(init=False)
    outages: Outages = field(init=False)

    def __post_init__(self) -> None:
        self.hangs = Hangs(self.state, self.recorder)
        self.outages = Outages(self.state, self.load, self.recorder)

    def run_beside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a background task and return it; its failure wakes a wait for samples, which raises it."""
        task = asyncio.create_task(work)
        self.background.append(task)

        def wake(ended: asyncio.Task[None]) -> None:
            if not ended.cancelled() and ended.exception() is not None:
                self.looker.wake()  # there may be no more samples

        task.add_done_callback(wake)
        return task

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count what the block does as a step at work. The caller has held the night at its pace; it goes on as planned afterwards."""
        self.at_work += 1
        yield
        self.load.release()
        self.looker.wake()  # what waits for a time of the night may have to wait for less now
        self.at_work -= 1
        self.moved_s = self.worked_s = self.recorder.t_s()

    def check_background(self) -> None:
        """Raise the failure of a background task that has failed."""
        for task in self.background:
            if task.done() and not task.cancelled():
                task.result()

    def after_round(self) -> None:
        """Show the state, and start to collect evidence as soon as all callers hang, or nothing is answered any more though nobody does.

        Again as `Hangs` and `Outages` say.
        """
        last_s, at_work = self.actions.last_evidence_s, self.at_work > 0
        if self.hangs.is_due(self.moved_s, last_s, at_work=at_work):
            self.dumping = self.run_beside(self._dump_hung())
        elif self.outages.is_due(self.worked_s, last_s, at_work=at_work):
            self.dumping = self.run_beside(self.actions.collect_evidence("out_of_service"))
        self.display.update(self.recorder.now()[1], self.state, self.load)

    async def _dump_hung(self) -> None:
        await self.actions.collect_evidence("hung")
        if all(step.done() for step in self.steps):  # otherwise a restart may be about to follow
            self.display.quiet()

    async def wait_round(self) -> None:
        """Wait for the next round of samples; raise the failure of a background task as soon as it fails."""
        try:
            await self.looker.wait_round()
        except WaitError:
            self.check_background()
            raise
        self.check_background()

    async def wait_until(self, reached: Callable[[], bool], within_s: float) -> bool:
        """Wait until `reached` holds, checked after each round of samples; return False when it did not within `within_s` seconds."""
        deadline_s = self.recorder.t_s() + within_s
        while not reached():
            if self.recorder.t_s() > deadline_s:
                return False
            await self.wait_round()
        return True

    async def wait_steady(self) -> None:
        """Wait for `STEADY_ROUNDS` rounds of the facility at rest, to compare the night with, and for a sample of every service."""
        for _ in range(STEADY_ROUNDS):
            await self.wait_round()
        await self.wait_until(lambda: len(self.state.last) == len(self.facility.services), SAMPLES_WITHIN_S)

    async def wait_night(self, night_s: float, ahead_s: float = 0.0) -> None:
        """Wait until `ahead_s` real seconds before the night's clock shows `night_s`; raise the failure of a background task."""
        assert self.recorder.night_start_s is not None
        while (left_s := self.recorder.running.real_s(night_s) - ahead_s - self.recorder.after_start_s()) > ROUNDING_S:
            with suppress(TimeoutError):
                # A round takes its time on a busy machine, and the night's does not wait for it; a night that stands still never ends.
                async with asyncio.timeout(min(left_s, SAMPLES_WITHIN_S)):
                    await self.wait_round()
