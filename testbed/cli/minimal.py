"""`testbed matrix --minimal`: search for the smallest sets of patterns, and print them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.concurrency import map_limited
from testbed.experiments import run_folders
from testbed.experiments.attempts import Turns
from testbed.experiments.matrix import minimal, plan
from testbed.experiments.matrix.replays import MatrixBatch
from testbed.verdict.rate import interval_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from testbed.experiments.matrix.cell import Cell
    from testbed.experiments.matrix.minimal import PatternSet, Reached, Trial
    from testbed.experiments.matrix.replays import Checkpoint
    from testbed.facility.backend import Backend
    from testbed.plan.scenario import Scenario
    from testbed.plan.settings import KeptVariant


@dataclass(frozen=True, slots=True)
class Search:
    """A search for sets of up to `largest` patterns with the outcome `wanted`: its backend, replays at a time, directory and console.

    `confirmations`: how often each set that is found is replayed once more in each scenario.
    """

    backend: Backend
    jobs: int
    runs: Path
    wanted: str
    largest: int
    confirmations: int
    console: Console

    async def search(
        self, scenarios: Sequence[Scenario], kept: Mapping[str, KeptVariant], checkpoint: Checkpoint
    ) -> tuple[list[Reached], list[str]]:
        """Return the smallest sets that reach the outcome in every scenario, confirmed, and the names of those that are unknown."""
        planned = plan.plan(scenarios, kept, self.backend.name, self.backend.slowdown)
        columns = {column.scenario.name: column for column in planned.columns}
        turns = Turns(self.jobs)
        async with self.backend:
            replays = MatrixBatch(self.backend, run_folders.runs_directory(str(self.runs), "minimal"))

            async def replay(candidate: PatternSet, scenario: str, number: int) -> Cell:
                cell = columns[scenario].over(candidate.name, candidate.settings)
                if number:  # of a pass that was interrupted only the first round is kept
                    return await replays.replay_until_known(cell, turns)
                return await replays.cell(cell, checkpoint, turns)

            trial = minimal.Trial(tuple(columns), self.wanted, replay)

            async def passing(candidates: list[PatternSet]) -> list[Reached]:
                self._print(_count(candidates))
                found = [reached for reached in await map_limited(candidates, self.jobs, trial.passes) if reached is not None]
                self._print(f"{len(found)} passed {minimal.PASSES} times in each of {len(columns)} scenarios")
                return found

            chosen = await minimal.search(minimal.patterns_of(kept), self.largest, passing)
            if trial.unknown:
                self._print(f"unknown, so not chosen: {', '.join(trial.unknown)}")
            if chosen:
                self._print(f"each is now replayed {self.confirmations} more times in each scenario; only these count below")
            return await self._confirmed(trial, chosen), trial.unknown

    async def _confirmed(self, trial: Trial, chosen: Sequence[Reached]) -> list[Reached]:
        work = [(result, scenario) for result in chosen for scenario in trial.scenarios]
        parts = await map_limited(work, self.jobs, lambda piece: trial.confirmed(*piece, self.confirmations))
        number = len(trial.scenarios)
        return minimal.ranked(minimal.joined(parts[first : first + number]) for first in range(0, len(parts), number))

    def print_reached(self, reached: Sequence[Reached]) -> None:
        """Print a numbered line for each set, and below it one for each scenario; or that there is none."""
        if not reached:
            self._print(f"no set of up to {self.largest} patterns is known to be {self.wanted} in every scenario")
        for number, result in enumerate(reached, start=1):
            cost = (
                f"at least {result.answered:.0%} answered, at most {result.leaked} connections leaked"
                if result.cells
                else "nothing is known"
            )
            names = " + ".join(sorted(result.patterns.patterns)) or f"no pattern is needed: {minimal.NO_PATTERN}"
            self._print(f"{number}. {names}: {cost}")
            for tally in result.tallies:
                unknown = f"; {tally.unknown} more are unknown" if tally.unknown else ""
                counted = f"{tally.reached} of {tally.known} ({interval_text(*tally.interval)}, at 95 %)"
                self._print(f"   {tally.scenario}: {self.wanted} in {counted}{unknown}")

    def _print(self, line: str) -> None:
        self.console.print(line, soft_wrap=True)


def _count(candidates: Sequence[PatternSet]) -> str:
    """Return in a line how many sets are tried, and of how many patterns."""
    if not candidates:
        return "no set is left of this size"
    size = len(candidates[0].patterns)
    return f"{len(candidates)} sets of {size}" if size else f"no pattern at all, so {minimal.NO_PATTERN}"
