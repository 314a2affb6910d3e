"""The command of the comparison, without measuring anything."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from testbed.errors import FacilityError, InterruptionError
from testbed.pools import __main__ as command
from testbed.pools import comparison, table
from testbed.pools.cell import Measurement, Result, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from testbed.pools.cell import Cell

ONE = ("--pool", "asyncpg_pool", "--situation", "silence", "--mistake", "careful")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Cell]:
    """Have every cell come back at once, and return those that were asked for."""
    asked: list[Cell] = []
    answer(monkeypatch, "comes back", asked)
    return asked


def answer(monkeypatch: pytest.MonkeyPatch, way: Way, asked: list[Cell]) -> None:
    """Have every cell come out in one way."""

    async def compare(
        cells: Sequence[Cell], repeat: int, at_once: int, watch_s: int, report: Callable[[Measurement], None], evidence: Path | None
    ) -> None:
        asked.extend(cells)
        for cell in cells:
            report(Measurement(cell, (Result(way, well_after_s=0.0),) * repeat, {"python": "3.11"}))

    monkeypatch.setattr(comparison, "compare", compare)


def test_one_cell_is_measured_alone(measured: list[Cell]) -> None:
    """By the options that name it."""
    done = CliRunner().invoke(command.main, [*ONE, "--repeat", "2"])
    assert (done.exit_code, len(measured)) == (0, 1)
    assert done.output.startswith("asyncpg_pool, silence, careful, check off: well at once")


def test_what_is_kept_is_not_measured_again(measured: list[Cell], tmp_path: Path) -> None:
    """With `--missing`; without it, the repetitions add up."""
    for _ in range(2):
        assert CliRunner().invoke(command.main, [*ONE, "--keep", str(tmp_path)]).exit_code == 0
    assert len(table.read(tmp_path / table.FILE)[0].results) == 6
    measured.clear()
    assert CliRunner().invoke(command.main, [*ONE, "--keep", str(tmp_path), "--missing"]).exit_code == 0
    assert measured == []


def test_a_cell_that_is_unknown_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command ends as everything here that does not know."""
    answer(monkeypatch, "unknown", [])
    assert CliRunner().invoke(command.main, [*ONE]).exit_code == 3


@pytest.mark.parametrize(
    ("error", "code"), [(FacilityError("no space"), 3), (InterruptionError(signal.SIGTERM), 143), (InterruptionError(None), 130)]
)
def test_a_failure_is_one_line_and_an_exit_code(monkeypatch: pytest.MonkeyPatch, error: Exception, code: int) -> None:
    """As of every other command."""

    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(comparison, "compare", fail)
    done = CliRunner().invoke(command.main, [*ONE])
    assert done.exit_code == code
    assert len(done.output.splitlines()) == 1


def test_a_word_that_is_unknown_is_refused() -> None:
    """With all that there are."""
    done = CliRunner().invoke(command.main, ["--pool", "c3p0"])
    assert done.exit_code == 2
    assert "asyncpg_pool" in done.output
