from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import distributions, version
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from testbed import scenario_file
from testbed.errors import TestbedError, UsageError
from testbed.experiments.matrix import checkpoint as checkpoint_module
from testbed.experiments.matrix import plan
from testbed.experiments.matrix.checkpoint import checkpoint_in
from tests.experiments.matrix.cells import cell
from tests.nights import scenario


class Killed(Exception):  # noqa: N818 - what a kill looks like from inside
    """Ends a matrix in the middle."""


def planned(directory: Path, *, seed: int | None = None, runtime: str = "fakes") -> plan.PlannedCell:
    """Plan the cell of a night over `fixed`."""
    kept = {"fixed": scenario_file.kept_variants()["fixed"]}
    return plan.plan([scenario(directory).with_overrides(seed=seed)], kept, runtime, 1.0).cells[0]


def interrupted(directory: Path, planned_cell: plan.PlannedCell, outcome: str | None = "contained") -> None:
    """Make a matrix that is interrupted after one cell."""
    with suppress(Killed), checkpoint_in(directory, anew=False) as checkpoint:
        checkpoint.add(planned_cell, cell("fixed", outcome, 1))
        raise Killed


def test_an_interrupted_matrix_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """What was replayed is found again by the next, as it was."""
    planned_cell = planned(tmp_path)
    interrupted(tmp_path, planned_cell)
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        assert checkpoint.find(planned_cell) == cell("fixed", "contained", 1)


def test_each_replay_of_a_cell_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """By its number; one that is believed and shows no outcome is a result, too."""
    planned_cell = planned(tmp_path)
    unseen = cell("fixed", None, 1, reason={"code": "not_seen_to_come_back", "text": "nobody saw it"})
    with suppress(Killed), checkpoint_in(tmp_path, anew=False) as checkpoint:
        checkpoint.add(planned_cell, cell("fixed", "contained", 1))
        checkpoint.add(planned_cell, unseen, 2)
        raise Killed
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        assert [checkpoint.find(planned_cell, number) for number in (1, 2, 3)] == [cell("fixed", "contained", 1), unseen, None]
        checkpoint.remove_own()
    assert (tmp_path / "cells.jsonl").read_text() == ""


def test_a_matrix_that_was_finished_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    """The next is a new measurement."""
    planned_cell = planned(tmp_path)
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        checkpoint.add(planned_cell, cell())
        checkpoint.remove_own()
    assert (tmp_path / "cells.jsonl").read_text() == ""
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        assert checkpoint.find(planned_cell) is None


def test_a_matrix_that_was_not_written_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """A cell stays until its matrix says that it was printed and written."""
    planned_cell = planned(tmp_path)
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        checkpoint.add(planned_cell, cell())
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        assert checkpoint.find(planned_cell) == cell()


def test_a_finished_matrix_leaves_the_cells_of_an_interrupted_one(tmp_path: Path) -> None:
    """Its own go, whether it replayed them or found them; a line that was cut off goes, too."""
    ours, found, others = planned(tmp_path), planned(tmp_path, seed=98), planned(tmp_path, seed=99)
    interrupted(tmp_path, found)
    interrupted(tmp_path, others)
    with (tmp_path / "cells.jsonl").open("a") as file:
        file.write('{"key": "abc", "ce')
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        assert checkpoint.find(ours) is None
        checkpoint.add(ours, cell())
        assert checkpoint.find(found) is not None
        checkpoint.remove_own()
    assert len((tmp_path / "cells.jsonl").read_text().splitlines()) == 1
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        assert [checkpoint.find(planned_cell) is None for planned_cell in (ours, found, others)] == [True, True, False]


def test_a_failure_while_cells_are_removed_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, or a kill, finds the former file whole, or the new one; nothing is left beside it."""
    ours, others = planned(tmp_path), planned(tmp_path, seed=99)
    interrupted(tmp_path, others)
    with (tmp_path / "cells.jsonl").open("a") as file:
        file.write('{"key": "abc", "ce')
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        checkpoint.add(ours, cell())
        before = (tmp_path / "cells.jsonl").read_bytes()
        monkeypatch.setattr(os, "fsync", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(OSError, match="No space left on device"):
            checkpoint.remove_own()
        assert (tmp_path / "cells.jsonl").read_bytes() == before
        monkeypatch.undo()
        opened = (tmp_path / "cells.jsonl").open()
        checkpoint.remove_own()
        with opened:
            assert opened.read().encode() == before  # what was there is not touched
        checkpoint.add(ours, cell())
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".cells")]
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        assert [checkpoint.find(planned_cell) is None for planned_cell in (ours, others)] == [False, False]


def test_who_opened_a_checkpoint_that_was_then_replaced_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or its cells would be written to a file that nobody finds."""

    def replaced(*_: object) -> None:
        (tmp_path / "new").touch()
        (tmp_path / "new").replace(tmp_path / "cells.jsonl")

    monkeypatch.setattr(checkpoint_module.fcntl, "flock", replaced)
    with (
        pytest.raises(UsageError, match=r"another matrix has just ended in .*; give the command again"),
        checkpoint_in(tmp_path, anew=False),
    ):
        pass


def test_whatever_decides_a_cell_makes_it_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another seed, runtime, setting, code, library, option or speed, and it is replayed again; asked to forget, everything is."""
    planned_cell = planned(tmp_path)
    interrupted(tmp_path, planned_cell)
    retry = scenario_file.kept_variants()["retry"].settings
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        assert checkpoint.find(planned(tmp_path, seed=99)) is None
        assert checkpoint.find(planned(tmp_path, runtime="containers")) is None
        assert checkpoint.find(planned_cell.column.over("fixed", retry)) is None
        assert checkpoint.find(planned_cell) is not None
        with pytest.raises(Killed):
            raise Killed
    interrupted(tmp_path, planned_cell)
    for decides in ("_code", "_libraries"):
        monkeypatch.setattr(checkpoint_module, decides, lambda: "another")
        with checkpoint_module.checkpoint_in(tmp_path, anew=False) as checkpoint:
            assert checkpoint.find(planned_cell) is None
        monkeypatch.undo()
    with checkpoint_in(tmp_path, anew=False, given=lambda: ("--postgres=/usr",)) as checkpoint:
        assert checkpoint.find(planned_cell) is None
    slowed = replace(planned_cell, column=replace(planned_cell.column, scenario=planned_cell.column.scenario.slowed(2.0)))
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        assert checkpoint.find(slowed) is None
        assert checkpoint.find(planned_cell) is not None
    interrupted(tmp_path, planned_cell)
    with checkpoint_module.checkpoint_in(tmp_path, anew=True) as checkpoint:
        assert checkpoint.find(planned_cell) is None


def test_a_library_that_was_updated_makes_every_cell_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `pip install -U`; and with the former version back, the cells are found again."""
    planned_cell = planned(tmp_path)
    interrupted(tmp_path, planned_cell)
    installed = [*distributions()]
    updated = [SimpleNamespace(name=each.name, version="99" if each.name == "circuitbreaker" else each.version) for each in installed]
    monkeypatch.setattr(checkpoint_module, "distributions", lambda: updated)
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        assert checkpoint.find(planned_cell) is None
    monkeypatch.undo()
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        assert checkpoint.find(planned_cell) is not None


def test_a_cell_that_could_not_be_told_is_tried_again(tmp_path: Path) -> None:
    """Its machine may have been busy."""
    planned_cell = planned(tmp_path)
    interrupted(tmp_path, planned_cell, None)
    with checkpoint_module.checkpoint_in(tmp_path, anew=False) as checkpoint:
        assert checkpoint.find(planned_cell) is None


def test_a_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    """As a kill in the middle of it leaves it; those before it are kept."""
    planned_cell = planned(tmp_path)
    interrupted(tmp_path, planned_cell)
    with (tmp_path / "cells.jsonl").open("a") as file:
        file.write('{"key": "abc", "ce')
    with checkpoint_module.checkpoint_in(tmp_path, anew=False) as checkpoint:
        assert checkpoint.find(planned_cell) is not None
        assert len(checkpoint.cells) == 1
        checkpoint.add(planned(tmp_path, seed=99), cell())
        assert (tmp_path / "cells.jsonl").read_text().splitlines()[2].startswith('{"key": ')  # a line of its own


def test_two_matrices_do_not_share_a_directory(tmp_path: Path) -> None:
    """The second is told where the first is, and what to give; the first loses nothing."""
    planned_cell = planned(tmp_path)
    with checkpoint_module.checkpoint_in(tmp_path, anew=False) as checkpoint:
        checkpoint.add(planned_cell, cell())
        with pytest.raises(UsageError, match="another matrix is being made"), checkpoint_module.checkpoint_in(tmp_path, anew=True):
            pass
        assert (tmp_path / "cells.jsonl").read_text() != ""


def test_a_directory_that_cannot_be_made_is_refused_with_the_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in its place or above it, a folder in the place of the checkpoint, no permission: each is named."""
    (tmp_path / "f").touch()
    (tmp_path / "d" / "cells.jsonl").mkdir(parents=True)
    for directory, reason in (("f", "File exists"), ("f/matrix", "Not a directory"), ("d", "Is a directory")):
        message = rf"no checkpoint in .*/{directory}: {reason}; give another directory with --runs"
        with pytest.raises(TestbedError, match=message), checkpoint_in(tmp_path / directory, anew=False):
            pass
    monkeypatch.setattr(Path, "mkdir", Mock(side_effect=PermissionError(errno.EACCES, "Permission denied")))
    with pytest.raises(TestbedError, match="Permission denied; give another directory with --runs"), checkpoint_in(tmp_path, anew=False):
        pass


def test_the_digest_of_the_code_sees_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte in a file of either package is another code; so is a file that was moved."""
    (tmp_path / "a.py").write_text("1")
    monkeypatch.setattr(checkpoint_module, "CODE", (tmp_path,))
    before = checkpoint_module._code()  # noqa: SLF001
    (tmp_path / "a.py").write_text("2")
    changed = checkpoint_module._code()  # noqa: SLF001
    assert changed != before
    (tmp_path / "b").mkdir()
    (tmp_path / "a.py").rename(tmp_path / "b" / "a.py")
    assert checkpoint_module._code() != changed  # noqa: SLF001


def test_the_code_is_both_packages_and_the_compose_files(tmp_path: Path) -> None:
    """And the libraries are all that are installed, with their versions."""
    assert [path.name for path in checkpoint_module.CODE] == ["testbed", "flight_search", "compose"]
    assert (checkpoint_module.CODE[2] / "compose.yaml").is_file()
    with checkpoint_in(tmp_path, anew=False) as checkpoint:
        libraries = checkpoint.libraries.splitlines()
    assert {f"{name} {version(name)}" for name in ("psycopg", "starlette", "urllib3")} <= set(libraries)
