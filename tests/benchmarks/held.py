"""Counts how often scenarios hold: `python tests/benchmarks/held.py [--runs N] [--scenario NAME] [--variant NAME] [--control] …`.

Each scenario that processes can replay, or each one named, is replayed N times over its first variant, or the one named, `--jobs` at a
time; what shows nothing because the machine was too busy is made again, alone, as the suite does. Printed is, for each, how many of its
journals are `held`, with a Wilson interval, and every finding of one that is not.

`--control`: its facility and its passengers, with the fault `nothing` in the place of its timeline, and `unharmed` for all expectation:
whatever else comes out is a false alarm. `--seconds S`: no replay begins after that, so that a long count can be made in parts. Exit code
1 if any journal is not `held`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from scenarios.replays import why_late
from testbed import scenario_file
from testbed.cli.options import JOBS
from testbed.experiments import batch, run_folders
from testbed.faults.nothing import NoFault
from testbed.plan import passengers
from testbed.plan.expectation import Expectation
from testbed.plan.scenario import PlannedStep
from testbed.runtime import backends
from testbed.verdict.finding import Verdict
from testbed.verdict.rate import interval_text, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.facility.backend import Backend
    from testbed.plan.scenario import Scenario
    from testbed.verdict.result import Result

RUNTIME = "processes"


def chosen(names: Sequence[str], variant: str | None) -> list[Scenario]:
    """Return the scenarios, each with one variant."""
    plans = [scenario_file.load(path) for path in ([scenario_file.find(name) for name in names] or scenario_file.known())]
    able = [plan for plan in plans if not backends.of(RUNTIME).lacks(plan)]
    return [plan.only((variant or plan.variants[0].name,)) for plan in able if variant in (None, *(own.name for own in plan.variants))]


def control(plan: Scenario) -> Scenario:
    """Return a scenario in which nothing is done where the first of its steps at a time is, or in the middle of the night."""
    night = plan.night
    at_s = next((step.at_night_s for step in plan.steps if step.at_night_s is not None), (night.from_s + night.to_s) / 2)
    variants = tuple(replace(variant, expect=Expectation(outcome=("unharmed",))) for variant in plan.variants)
    return replace(plan, steps=(PlannedStep("nothing", NoFault(), at_s, None, 30.0),), variants=variants)


async def count(plan: Scenario, runs: int, until_s: float, jobs: int) -> tuple[int, int]:
    """Replay one variant so often, or until it is too late for one more; return how many journals are held, and how many there are."""
    held = done = 0
    busy: list[int] = []
    directory, sent, numbers = run_folders.runs_directory(None, plan.name), passengers.of(plan), iter(range(1, runs + 1))

    async def replay(backend: Backend, number: int, *, again: bool) -> None:
        nonlocal held, done
        below = directory / (f"{number}-again" if again else str(number))
        below.mkdir()
        result = await batch.replay_once(plan, sent, backend, below)
        if not again and why_late(result):
            busy.append(number)
            return
        done += 1
        held += result.judgement.verdict is Verdict.HELD
        tell(result)

    async def work(backend: Backend) -> None:
        for number in numbers:
            if time.monotonic() > until_s:
                return
            await replay(backend, number, again=False)

    async with backends.of(RUNTIME) as backend:
        await asyncio.gather(*(work(backend) for _ in range(jobs)))
        if busy:
            sys.stdout.write(f"  {plan.name}: {len(busy)} of {done + len(busy)} for which the machine was too busy are made again, alone\n")
        for number in busy:
            await replay(backend, number, again=True)
    return held, done


def tell(result: Result) -> None:
    """Print every finding that is not held, with its journal."""
    for finding in result.judgement.findings:
        if finding.verdict is not Verdict.HELD:
            sys.stdout.write(f"  {result.journal.path}: {finding.check} {finding.verdict.value}: {finding.text}\n")


def main() -> int:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="how many replays of each (default: 20)")
    parser.add_argument("--scenario", action="append", default=[], help="only this one; may be given more than once")
    parser.add_argument("--variant", help="this variant, of the scenarios that have it (default: the first of each)")
    parser.add_argument("--control", action="store_true", help="with the fault `nothing`, and `unharmed` expected")
    parser.add_argument("--jobs", type=int, default=JOBS, help="replays at a time (default: as many as there are cores)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no replay after so many seconds")
    given = parser.parse_args()
    until_s = time.monotonic() + given.seconds
    counts: list[tuple[int, int]] = []
    for original in chosen(given.scenario, given.variant):
        plan = control(original) if given.control else original
        if time.monotonic() > until_s:
            sys.stdout.write(f"{plan.name}, {plan.variants[0].name}: not replayed, the time is over\n")
            continue
        held, done = asyncio.run(count(plan, given.runs, until_s, given.jobs))
        sys.stdout.write(f"{plan.name}, {plan.variants[0].name}: {held} of {done} held ({interval_text(*wilson(held, done))}, at 95 %)\n")
        sys.stdout.flush()
        counts.append((held, done))
    return int(any(held < done for held, done in counts))


if __name__ == "__main__":
    sys.exit(main())
