"""Counts how often scenarios hold: `python tests/benchmarks/held.py [--runs N] [--scenario NAME] [--variant NAME] [--seconds S]`.

Each scenario that processes can replay, or each one named, is replayed N times over its first variant, or the one named, one replay
after the other. Printed is, for each, how many of its journals are `held`, with a Wilson interval, and every finding of one that is not.
After S seconds no further replay begins, so that a long count can be made in parts. Exit code 1 if any journal is not `held`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from contextlib import aclosing, nullcontext
from typing import TYPE_CHECKING

from testbed import scenario_file
from testbed.experiments import batch
from testbed.plan import passengers
from testbed.replay.display import SilentDisplay
from testbed.runtime import backends
from testbed.verdict.finding import Verdict
from testbed.verdict.rate import interval_text, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.plan.scenario import Scenario
    from testbed.verdict.result import Result

RUNTIME = "processes"


def chosen(names: Sequence[str], variant: str | None) -> list[Scenario]:
    """Return the scenarios, each with one variant."""
    plans = [scenario_file.load(path) for path in ([scenario_file.find(name) for name in names] or scenario_file.known())]
    able = [plan for plan in plans if not backends.of(RUNTIME).lacks(plan)]
    return [plan.only((variant or plan.variants[0].name,)) for plan in able if variant in (None, *(own.name for own in plan.variants))]


async def count(plan: Scenario, runs: int, until_s: float) -> tuple[int, int]:
    """Replay one variant so often, or until it is too late for one more; return how many journals are held, and how many there are."""
    held = done = 0
    directory = batch.runs_directory(None, plan.name)
    async with backends.of(RUNTIME) as backend:
        replays = batch.replay_all(plan, passengers.of(plan), runs, backend, directory, lambda _: nullcontext(SilentDisplay()))
        async with aclosing(replays) as results:
            async for result in results:
                done += 1
                held += result.judgement.verdict is Verdict.HELD
                tell(result)
                if time.monotonic() > until_s:
                    break
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
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no replay after so many seconds")
    given = parser.parse_args()
    until_s = time.monotonic() + given.seconds
    counts: list[tuple[int, int]] = []
    for plan in chosen(given.scenario, given.variant):
        if time.monotonic() > until_s:
            sys.stdout.write(f"{plan.name}, {plan.variants[0].name}: not replayed, the time is over\n")
            continue
        held, done = asyncio.run(count(plan, given.runs, until_s))
        sys.stdout.write(f"{plan.name}, {plan.variants[0].name}: {held} of {done} held ({interval_text(*wilson(held, done))}, at 95 %)\n")
        sys.stdout.flush()
        counts.append((held, done))
    return int(any(held < done for held, done in counts))


if __name__ == "__main__":
    sys.exit(main())
