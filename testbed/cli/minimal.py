"""`testbed matrix --minimal`: search for the smallest sets of patterns, and print them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.concurrency import map_limited
from testbed.experiments import batch
from testbed.experiments.matrix import minimal, plan
from testbed.experiments.matrix.replays import MatrixBatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from testbed.experiments.matrix.cell import Cell
    from testbed.experiments.matrix.minimal import PatternSet, Reached
    from testbed.experiments.matrix.replays import Checkpoint
    from testbed.facility.backend import Backend
    from testbed.plan.scenario import Scenario
    from testbed.plan.settings import KeptVariant


@dataclass(frozen=True, slots=True)
class Search:
    """A search for sets of up to `largest` patterns with the outcome `wanted`: its backend, replays at a time, directory and console."""

    backend: Backend
    jobs: int
    runs: Path
    wanted: str
    largest: int
    console: Console

    async def search(self, scenarios: Sequence[Scenario], kept: Mapping[str, KeptVariant], checkpoint: Checkpoint) -> list[Reached]:
        """Return the smallest sets that reach the outcome in every scenario."""
        planned = plan.plan(scenarios, kept, self.backend.name, self.backend.slowdown)
        columns = {column.scenario.name: column for column in planned.columns}
        async with self.backend:
            replays = MatrixBatch(self.backend, batch.runs_directory(str(self.runs), "minimal"))

            async def replay(candidate: PatternSet, scenario: str, number: int) -> Cell:
                cell = columns[scenario].over(candidate.name, candidate.settings)
                return await (replays.replay_until_known(cell) if number else replays.cell(cell, checkpoint))

            trial = minimal.Trial(tuple(columns), self.wanted, replay)

            async def passing(candidates: list[PatternSet]) -> list[Reached]:
                self.console.print(f"{len(candidates)} sets of {len(candidates[0].patterns) if candidates else 0}", soft_wrap=True)
                found = await map_limited(candidates, self.jobs, trial.passes)
                return [reached for reached in found if reached is not None]

            return await minimal.search(minimal.patterns_of(kept), self.largest, passing)

    def print_reached(self, reached: Sequence[Reached]) -> None:
        """Print a numbered line for each set, or that there is none."""
        if not reached:
            self.console.print(f"no set of up to {self.largest} patterns is {self.wanted} in every scenario", soft_wrap=True)
        for number, result in enumerate(reached, start=1):
            replays = f"{self.wanted} in {len(result.cells)} of {len(result.cells)} replays"
            cost = f"at least {result.answered:.0%} answered, at most {result.leaked} connections leaked"
            self.console.print(f"{number}. {' + '.join(sorted(result.patterns.patterns))}: {replays}, {cost}", soft_wrap=True)
