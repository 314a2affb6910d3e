from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from testbed import scenario_file
from testbed.concurrency import map_limited
from testbed.errors import FacilityError, ServiceError
from testbed.experiments.attempts import ATTEMPTS, Turns
from testbed.experiments.matrix import plan
from testbed.experiments.matrix.replays import MatrixBatch
from testbed.fakes.backend import FakeBackend
from testbed.fakes.monitoring import FakeMonitoring
from testbed.fakes.virtual_time import run as in_virtual_time
from tests.experiments.matrix.cells import cell
from tests.nights import scenario

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.experiments.matrix.cell import Cell
    from testbed.facility.address import Address


NOT_READY = ServiceError("cf-1 was not ready")


class MemoryCheckpoint:
    """Holds cells in memory, by their variant, and by the number of the replay if it is not the first."""

    def __init__(self, **cells: Cell) -> None:
        self.cells = cells

    def find(self, planned: plan.PlannedCell, number: int = 1) -> Cell | None:
        """Return the cell of the variant."""
        return self.cells.get(self._name(planned, number))

    def add(self, planned: plan.PlannedCell, cell: Cell, number: int = 1) -> None:
        """Add a cell."""
        self.cells[self._name(planned, number)] = cell

    @staticmethod
    def _name(planned: plan.PlannedCell, number: int) -> str:
        return planned.variant if number == 1 else f"{planned.variant} {number}"


def planned(directory: Path, *variants: str) -> plan.MatrixPlan:
    """Plan a night over some variants."""
    kept = scenario_file.kept_variants()
    return plan.plan([scenario(directory)], {name: kept[name] for name in variants}, "fakes", 1.0)


def test_each_cell_is_replayed_and_kept(tmp_path: Path) -> None:
    """In the order of the plan, several at a time, each with a journal below its scenario."""
    checkpoint, told = MemoryCheckpoint(), []
    made = planned(tmp_path, "original", "fixed", "call_timeout")
    replays = MatrixBatch(FakeBackend(), tmp_path / "runs")
    cells = in_virtual_time(replays.cells(made.cells, 2, checkpoint, lambda cell, _: told.append(cell)))
    assert [(cell.variant, cell.outcome) for cell in cells][:2] == [("original", "grounded"), ("fixed", "contained")]
    assert sorted(checkpoint.cells) == sorted(cell.variant for cell in told) == ["call_timeout", "fixed", "original"]
    assert (tmp_path / "runs" / "a_night" / "fixed.jsonl").is_file()


def test_a_cell_that_was_unknown_beside_others_is_known_alone(tmp_path: Path) -> None:
    """Its outcome of the second replay counts everywhere: in the table, in the checkpoint and in what is reported."""
    backend, checkpoint, told = FakeBackend(failures=[NOT_READY]), MemoryCheckpoint(), []
    replays = MatrixBatch(backend, tmp_path / "runs")
    cells = in_virtual_time(replays.cells(planned(tmp_path, "fixed", "original").cells, 1, checkpoint, lambda *one: told.append(one)))
    assert [(cell.variant, cell.outcome) for cell in cells] == [("fixed", "contained"), ("original", "grounded")]
    assert [cell.variant for cell, _ in told] == ["original", "fixed"]
    assert {name: cell.outcome for name, cell in checkpoint.cells.items()} == {"fixed": "contained", "original": "grounded"}
    assert len(backend.builders) == 3


def test_what_was_kept_is_not_replayed(tmp_path: Path) -> None:
    """An interrupted matrix costs only what is left of it."""
    backend = FakeBackend()
    replays = MatrixBatch(backend, tmp_path)
    made, checkpoint = planned(tmp_path, "original").cells, MemoryCheckpoint(original=cell("original"))
    assert in_virtual_time(replays.cells(made, 1, checkpoint, lambda *_: None)) == [cell("original")]
    assert in_virtual_time(replays.cell(made[0], checkpoint, Turns(1))) == cell("original")
    assert backend.builders == []


def test_a_cell_of_several_replays_has_a_record_of_each(tmp_path: Path) -> None:
    """Every cell once before one is there twice; one that could not be believed counts, too, and those of the checkpoint."""
    backend, checkpoint, told = FakeBackend(failures=[NOT_READY]), MemoryCheckpoint(), []
    made = planned(tmp_path, "fixed", "original").cells
    replays = MatrixBatch(backend, tmp_path / "runs")
    cells = in_virtual_time(replays.cells(made, 1, checkpoint, lambda cell, _: told.append(cell.variant), times=2))
    assert told == ["original", "fixed", "original", "fixed"]  # the first that failed is replayed again when all others are done
    assert [tally.model_dump() for tally in cells[0].counts] == [
        {"outcome": "contained", "crack": 1, "times": 2, "code": ""},
        {"outcome": None, "crack": 0, "times": 1, "code": "not_replayed"},
    ]
    assert set(checkpoint.cells) == {"fixed", "fixed 2", "original", "original 2"}
    built = len(backend.builders)
    again = in_virtual_time(replays.cells(made, 1, checkpoint, lambda *_: None, times=3))
    assert (len(backend.builders) - built, [len(cell.each) for cell in again]) == (2, [4, 3])


def test_a_replay_that_is_believed_and_shows_no_outcome_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a result: tried until it is known, it would count as what it is not."""
    reason = {"code": "not_seen_to_come_back", "text": "kiosk was answered 2 transactions"}
    monkeypatch.setattr("testbed.experiments.matrix.cell.of", lambda _: cell("fixed", None, 1, reason=reason))
    backend = FakeBackend()
    (unseen,) = in_virtual_time(MatrixBatch(backend, tmp_path).cells(planned(tmp_path, "fixed").cells, 1, MemoryCheckpoint(), Mock()))
    assert (unseen.outcome, len(backend.builders)) == (None, 1)


def test_a_cell_that_cannot_be_told_is_tried_again_and_told_in_the_end(tmp_path: Path) -> None:
    """Two replays that fail and one that does not are a cell; no journal is written over another."""
    backend = FakeBackend(failures=[NOT_READY] * 2)
    replays = MatrixBatch(backend, tmp_path / "runs")
    replayed = in_virtual_time(replays.replay_until_known(planned(tmp_path, "fixed").cells[0], Turns(1)))
    assert (replayed.outcome, len(backend.builders)) == ("contained", 3)
    assert len(list((tmp_path / "runs").rglob("fixed.jsonl"))) == 3


def test_a_cell_that_never_comes_up_is_unknown_with_the_reason(tmp_path: Path) -> None:
    """After some attempts; and it is no failure of the other cells."""
    backend = FakeBackend(failures=[NOT_READY] * ATTEMPTS)
    replays = MatrixBatch(backend, tmp_path / "runs")
    cells, turns = planned(tmp_path, "fixed", "original").cells, Turns(1)
    first, second = in_virtual_time(map_limited(cells, 1, lambda cell: replays.replay_until_known(cell, turns)))
    assert (first.outcome, first.unknown) == (None, "cf-1 was not ready")
    assert second.outcome == "grounded"


def test_after_the_last_cell_a_facility_comes_up_well(tmp_path: Path) -> None:
    """It is built once more, looked at and taken down; one that is not well fails the matrix."""
    backend = FakeBackend()
    in_virtual_time(MatrixBatch(backend, tmp_path).require_steady(planned(tmp_path, "original")))
    assert backend.builders[0].calls[-1] == "tear_down"
    with pytest.raises(FacilityError, match="cf-1 was not ready"):
        in_virtual_time(MatrixBatch(FakeBackend(failures=[NOT_READY]), tmp_path).require_steady(planned(tmp_path, "original")))


def test_after_the_last_cell_every_health_check_is_green(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not fails the matrix, by its name and its answer; the facility is taken down all the same."""
    asked: list[str] = []

    async def health(_: FakeMonitoring, service: str, __: Address) -> str:
        asked.append(service)
        return "503" if service == "kiosk" and asked.count(service) > 1 else "200"  # it was ready when it was built

    monkeypatch.setattr(FakeMonitoring, "health", health)
    backend = FakeBackend()
    with pytest.raises(FacilityError, match="after the last cell the health check of kiosk answers 503, not 200"):
        in_virtual_time(MatrixBatch(backend, tmp_path).require_steady(planned(tmp_path, "original")))
    assert backend.builders[0].calls[-1] == "tear_down"
