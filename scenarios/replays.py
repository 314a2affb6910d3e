"""The replays that the suite's tests share: each runs once, several at a time, but no more than the machine can carry."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from scenarios.layers import AskingBackend
from testbed.errors import ServiceError
from testbed.experiments import run_folders
from testbed.experiments.batch import replay_once
from testbed.journal.events import OperationEvent
from testbed.plan import passengers
from testbed.plan.topology import FacilityPlan
from testbed.runtime import backends
from testbed.runtime.containers.builder import ContainersBuilder
from testbed.verdict import share
from testbed.verdict.busyness import MACHINE_BUSY
from testbed.verdict.checks import CONDITION_NOT_SEEN
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable
    from pathlib import Path

    from scenarios.layers import Answers
    from testbed.facility.backend import Backend
    from testbed.plan.scenario import Scenario
    from testbed.plan.trace import Trace
    from testbed.verdict.result import Result

Wanted: TypeAlias = "tuple[Scenario, str]"  # a scenario, and the name of a variant
ALL = Fraction(1)
WORK_S = 4  # of a core that a replay takes, however long its night is
IN_CONTAINERS = Fraction(1, 2)  # one at a time, something waits for a processor in a sixth of the time only
MOST_OF_A_CORE, LEAST_OF_A_CORE = Fraction(3, 5), Fraction(1, 3)
TRIES = 6  # of a replay that shows nothing: beside others, at a load of 20 on two cores, one in three did
ASKED = ("failure_modes",)  # scenarios whose facilities are asked, layer by layer, when their nights are over


@dataclass(slots=True)
class Room:
    """The machine's capacity for running facilities, in parts of 1. First come, first served: no small request passes a large one."""

    taken: Fraction = Fraction(0)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def of(self, part: Fraction) -> AsyncGenerator[None]:
        """Wait for a part of the capacity, and hold it during the block."""
        async with self._turn:
            while self.taken + part > ALL:
                self._freed.clear()
                await self._freed.wait()
            self.taken += part
        try:
            yield
        finally:
            self.taken -= part
            self._freed.set()


def part_of(plan: FacilityPlan, runtime: str, night_s: float = 0.0) -> Fraction:
    """Return the capacity that a facility needs for a night of so many real seconds; in containers, half of all.

    Its start, its requests and its end take about `WORK_S` of a core however long the night is: so the longer, the less of it at a time.
    A facility larger than the case's takes more. One whose resource usage is sampled gets twice as much, and at least half of all: its
    neighbours should not be measured.
    """
    if runtime != "processes":
        return IN_CONTAINERS
    of_a_core = min(MOST_OF_A_CORE, max(LEAST_OF_A_CORE, Fraction(WORK_S) / (1 + round(night_s))))
    part = of_a_core / (os.cpu_count() or 1) * max(ALL, Fraction(_request_threads(plan), _request_threads(FacilityPlan())))
    return min(ALL, part if plan.resources_every_s is None else max(2 * part, Fraction(1, 2)))


def real_s(plan: Scenario) -> float:
    """Return how many real seconds a scenario's night takes."""
    return plan.night.clock().real_s(plan.night.to_s)


def in_order(wanted: Iterable[Wanted], runtime: str, stands: Callable[[Scenario, str], str]) -> list[Wanted]:
    """Return the replays in the order in which they begin.

    1. Those that need half of the capacity and more, as in bin packing: started between small ones, they would leave capacity idle.
    2. Those whose facilities are built on the same (`stands`) one after the other, beginning with the longest night's.
    3. The longest nights first, so that none is left when all others have ended.
    """
    listed = list(wanted)
    longest_s: dict[str, float] = defaultdict(float)
    for plan, variant in listed:
        longest_s[stands(plan, variant)] = max(longest_s[stands(plan, variant)], real_s(plan))

    def place(replay: Wanted) -> tuple[Fraction, float, str, float]:
        plan, variant = replay
        part, on = part_of(plan.facility, runtime, real_s(plan)), stands(plan, variant)
        return -part if part >= ALL / 2 else Fraction(0), -longest_s[on], on, -real_s(plan)

    return sorted(listed, key=place)


def _request_threads(plan: FacilityPlan) -> int:
    return plan.request_threads * (len(plan.server_names) + len(plan.callers))


# What a machine that is busy with something else makes of a replay: requests and steps come late, and looks take seconds.
OF_A_BUSY_MACHINE = ("open_loop", "timeline", "monitored")


def why_late(result: Result) -> str:
    """Return what the machine was too busy for, so that the replay shows nothing; an empty text if it was in time."""
    doubts = [finding for finding in result.judgement.doubts if finding.check in OF_A_BUSY_MACHINE and finding.code != CONDITION_NOT_SEEN]
    texts = [finding.text for finding in doubts]
    reason, findings = result.judgement.reason, result.judgement.findings
    busy = [finding.text for finding in findings if finding.code == MACHINE_BUSY]
    held = any((finding.check, finding.verdict) == ("outcome", Verdict.HELD) for finding in findings)  # whatever it was of what it may be
    return "; ".join([*texts, *([reason.text] if reason.code == MACHINE_BUSY and not held else busy)])


def why_unknown(result: Result) -> str:
    """Return why the outcome, or a check, is not known; an empty text if all is. Beside others too little may be seen."""
    judgement = result.judgement
    if judgement.outcome is None:
        return judgement.reason.text
    unknown = [f"{finding.check}: {finding.text}" for finding in judgement.findings if finding.verdict is Verdict.UNKNOWN]
    return unknown[0] if unknown else ""


# For how many real seconds a fault must be there that first starts something: how long that takes is up to the machine.
LEAST_S = {"read_only": 2.0}


def why_short(result: Result) -> str:
    """Return which fault was hardly there before it was healed, so that a test sees too little of it; an empty text if none was."""
    moments_s = {(event.operation, event.state): event.t_s for event in result.journal.of(OperationEvent)}
    there_s = {
        fault: moments_s["heal", "begin"] - moments_s[fault, "end"]
        for fault in LEAST_S
        if {(fault, "end"), ("heal", "begin")} <= moments_s.keys()
    }
    return "; ".join(f"{fault} was there for {there_s[fault]:.2f} s only" for fault in there_s if there_s[fault] < LEAST_S[fault])


@dataclass(slots=True)
class SuiteBatch:
    """The replays on one runtime. The first test that asks for a result waits for all of them.

    `wanted`: the replays that tests will need; the first call of `result` starts them all. `again`: what was replayed once more,
    alone, and why: the machine was too busy for it, or too little was seen. `answers`: of the scenarios that are `ASKED`, what each layer
    told at the end.
    """

    runtime: str
    wanted: Iterable[Wanted]
    again: list[str] = field(default_factory=list)
    answers: dict[tuple[str, str], Answers] = field(default_factory=dict)
    _runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _backend: Backend | None = None
    _room: Room = field(default_factory=Room)
    _tasks: dict[tuple[str, str, int], asyncio.Task[Result]] = field(default_factory=dict)
    _of_scenario: dict[str, tuple[Trace, Path]] = field(default_factory=dict)

    def result(self, plan: Scenario, variant: str) -> Result:
        """Return the first result of a scenario's variant; raises TestbedError when it could not be replayed."""
        return self._runner.run(self._results(plan, variant, 1))[0]

    def results(self, plan: Scenario, variant: str) -> list[Result]:
        """Return as many results of a variant as its expectation asks for: one, or what tells whether its share holds."""
        expect = plan.variant(variant).expect
        count = expect.at_least or 1
        while True:
            results = self._runner.run(self._results(plan, variant, count))
            verdict = share.verdict(expect, [result.judgement.verdict for result in results])
            if count >= (expect.of or 1) or verdict is not Verdict.UNKNOWN:
                return results
            count += 1

    def finish(self) -> None:
        """Finish the replays that have started, so that the next test has the machine alone."""
        started = [task for task in self._tasks.values() if not task.done()]
        if started:
            self._runner.run(_wait(started))

    def close(self) -> None:
        """Cancel the replays that still run, and take down what they shared."""
        with self._runner:
            self._runner.run(self._close())

    async def _results(self, plan: Scenario, variant: str, count: int) -> list[Result]:
        if self._backend is None:
            self._backend = await self._stack.enter_async_context(backends.of(self.runtime))
            for scenario, name in in_order(self.wanted, self.runtime, self._stands):
                for number in range(scenario.variant(name).expect.at_least or 1):
                    self._begin(scenario, name, number)
            if self._tasks:  # what a test does with a result would hold up the others' requests
                await _wait(self._tasks.values())
        return [await asyncio.shield(self._begin(plan, variant, number)) for number in range(count)]

    def _stands(self, plan: Scenario, variant: str) -> str:
        """Return on what a replay's facility is built: of containers, the settings of a project, which serves all that have them."""
        assert self._backend is not None
        builder = self._backend.builder(plan.facility, plan.variant(variant).settings)
        return str(builder.fits) if isinstance(builder, ContainersBuilder) else ""

    def _begin(self, plan: Scenario, variant: str, number: int) -> asyncio.Task[Result]:
        key = (plan.name, variant, number)
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._replay(plan, variant, number))
        return self._tasks[key]

    async def _replay(self, plan: Scenario, variant: str, number: int) -> Result:
        """Replay until something is seen; raises ServiceError if the facility does not come up in the last of the tries."""
        below = f"{number + 1}" if number else ""
        part = part_of(plan.facility, self.runtime, real_s(plan))
        for again in range(1, TRIES):
            try:
                async with self._room.of(part):
                    result = await self._once(plan, variant, below)
                why = why_late(result) or why_unknown(result) or why_short(result)
            except ServiceError as error:  # a part of the facility did not come up in time
                why = str(error).splitlines()[0]
            if not why:
                return result
            self.again.append(f"{plan.name}, {variant}, in {self.runtime}: {why}")
            part, below = ALL, f"{number + 1}again{again}"
        async with self._room.of(part):
            return await self._once(plan, variant, below)

    async def _once(self, plan: Scenario, variant: str, below: str) -> Result:
        assert self._backend is not None
        slowed = plan.slowed(self._backend.slowdown)
        if plan.name not in self._of_scenario:
            self._of_scenario[plan.name] = passengers.of(slowed), run_folders.runs_directory(None, plan.name)
        sent, directory = self._of_scenario[plan.name]
        directory = directory / below
        directory.mkdir(exist_ok=True)
        if plan.name not in ASKED:
            return await replay_once(slowed.only((variant,)), sent, self._backend, directory)
        asking = AskingBackend(self._backend)
        result = await replay_once(slowed.only((variant,)), sent, asking, directory)
        (self.answers[plan.name, variant],) = asking.answers
        return result

    async def _close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._stack.aclose()


async def _wait(tasks: Iterable[asyncio.Task[Result]]) -> None:
    await asyncio.wait(tasks)
