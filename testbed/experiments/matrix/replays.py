"""Replays the cells of a matrix, several at a time: the only part of the matrix that starts anything."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from testbed.errors import FacilityError, TestbedError
from testbed.experiments.attempts import map_until_known
from testbed.experiments.batch import replay_once
from testbed.experiments.matrix import cell
from testbed.experiments.matrix.cell import most_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from testbed.experiments.attempts import Turns
    from testbed.experiments.matrix.cell import Cell
    from testbed.experiments.matrix.plan import MatrixPlan, PlannedCell
    from testbed.facility.backend import Backend


class Checkpoint(Protocol):
    """Holds the cells of a matrix that may be interrupted; `checkpoint.py` has the one that writes a file."""

    def find(self, planned: PlannedCell, number: int = 1) -> Cell | None:
        """Return what came of the cell's replay of this number, from 1, if it was replayed before; None if it was not."""

    def add(self, planned: PlannedCell, cell: Cell, number: int = 1) -> None:
        """Add what came of a replay."""


@dataclass(slots=True)
class MatrixBatch:
    """The replays of a matrix: the backend, which has to be entered, and the directory of the journals.

    `numbered` counts the replays of each cell, so that no journal overwrites another.
    """

    backend: Backend
    directory: Path
    numbered: dict[tuple[str, str, str], int] = field(default_factory=dict)

    async def replay(self, planned: PlannedCell) -> Cell:
        """Replay a cell once; if that cannot be done, return an unknown cell that says why."""
        scenario = planned.column.only(planned.variant)
        number = self.numbered[planned.key] = self.numbered.get(planned.key, 0) + 1
        directory = self.directory / scenario.name / (f"again-{number}" if number > 1 else "")
        directory.mkdir(parents=True, exist_ok=True)
        try:
            result = await replay_once(scenario, planned.column.sent, self.backend, directory)
        except TestbedError as error:
            return cell.unknown(*planned.key, why=str(error))
        return cell.of(result.judgement)

    async def replay_until_known(self, planned: PlannedCell, turns: Turns) -> Cell:
        """Replay a cell until its outcome is known, a few times at most, and after the first time alone."""
        return await turns.replay_until_known(lambda _: self.replay(planned), _is_known)

    async def cells(
        self,
        planned: Iterable[PlannedCell],
        jobs: int,
        checkpoint: Checkpoint,
        report: Callable[[Cell, float], None],
        report_again: Callable[[Cell], None] = lambda _: None,
        *,
        times: int = 1,
    ) -> list[Cell]:
        """Return the cells, each of so many replays; what the checkpoint has is not replayed again.

        A replay that cannot be believed is made again, as `map_until_known` says, and is on record all the same. One that can be believed
        and shows no outcome is not: it is a result.
        """
        several = list(planned)
        # Each cell once before any is there twice: what a machine does for a while is then spread over all of them.
        pieces = [(planned_cell, number) for number in range(1, times + 1) for planned_cell in several]
        attempts: dict[tuple[tuple[str, str, str], int], list[Cell]] = {}

        async def attempt(piece: tuple[PlannedCell, int], count: int) -> Cell:
            planned_cell, number = piece
            before = attempts.setdefault((planned_cell.key, number), [])
            replayed = checkpoint.find(planned_cell, number) if count == 1 else None
            if replayed is None:
                replayed = await self.replay(planned_cell)
                checkpoint.add(planned_cell, most_of([*before, replayed]), number)
            before.append(replayed)
            return replayed

        await map_until_known(pieces, jobs, attempt, _doubt, report, report_again)
        return [
            most_of([replayed for number in range(1, times + 1) for replayed in attempts[planned_cell.key, number]])
            for planned_cell in several
        ]

    async def cell(self, planned: PlannedCell, checkpoint: Checkpoint, turns: Turns) -> Cell:
        """Return the cell of the checkpoint, or else replay it until its outcome is known and add it there."""
        found = checkpoint.find(planned)
        if found is not None:
            return found
        replayed = await self.replay_until_known(planned, turns)
        checkpoint.add(planned, replayed)
        return replayed

    async def require_steady(self, plan: MatrixPlan) -> None:
        """Start a facility once more after the last cell and take it down; raises FacilityError if a health check fails.

        Before each cell the replay itself checks that; a cell that did not begin steady is unknown.
        """
        scenario = plan.columns[0].scenario
        builder = self.backend.builder(scenario.facility, scenario.variants[0].settings)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(builder.tear_down)
            facility = await builder.build()
            async with facility.instruments.monitoring() as monitoring:
                for service in facility.services:
                    health = await monitoring.health(service, facility.runtime.address(service))
                    if health != "200":
                        raise FacilityError(f"after the last cell the health check of {service} answers {health}, not 200")


def _doubt(replayed: Cell) -> str:
    """Return why a replay cannot be believed; an empty text if it can."""
    return "" if any(replay.is_believed for replay in replayed.each) else replayed.unknown or "no reason is known"


def _is_known(replayed: Cell) -> bool:
    return replayed.outcome is not None
