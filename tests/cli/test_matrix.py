from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from testbed import scenario_file
from testbed.cli import main
from testbed.cli import matrix as matrix_module
from testbed.errors import ServiceError
from testbed.experiments.attempts import ATTEMPTS
from testbed.experiments.matrix import commit, folder
from testbed.experiments.matrix.cell import Part, Reason, Replay
from testbed.fakes.backend import FakeBackend
from testbed.fakes.virtual_time import run as in_virtual_time
from testbed.runtime import backends
from tests.experiments.matrix.cells import cell
from tests.experiments.matrix.cells import matrix as made_of
from tests.nights import scenario

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testbed.experiments.matrix.cell import Cell
    from testbed.experiments.matrix.table import Matrix

    Command = Callable[..., tuple[int, str, str]]

VARIANTS = scenario_file.kept_variants()
FIXED = ("--variant", "fixed")


@pytest.fixture
def backend() -> FakeBackend:
    """Return the backend that the command gets."""
    return FakeBackend(name="processes")


@pytest.fixture
def matrix(backend: FakeBackend, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return `testbed matrix` as a function of its arguments, over fakes; it returns exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(backends, "of", lambda *_, **__: backend)
    monkeypatch.setattr(matrix_module, "interruptible", in_virtual_time)
    monkeypatch.chdir(tmp_path)
    numbers = itertools.count(1)

    def command(*arguments: object) -> tuple[int, str, str]:
        # Two matrices of one process in one second would have one directory.
        runs = [] if {"merge", "show", "--runs"} & set(arguments) else ["--runs", f"runs-{next(numbers)}"]
        monkeypatch.setattr(sys, "argv", ["testbed", "matrix", *runs, *map(str, arguments)])
        try:
            main.main()
        except SystemExit as end:
            return (int(str(end.code)), *capsys.readouterr())
        return (0, *capsys.readouterr())

    return command


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Return the file of a night of a few lines."""
    return scenario(tmp_path).path


def unharmed_before(directory: Path, replays: int = 1) -> Path:
    """Make every cell of a written matrix one that was unharmed, so many times."""
    read = folder.read(directory, VARIANTS)
    all_answered = Part(count=9, of=9)
    fields: dict[str, object] = {
        "outcome": "unharmed",
        "crack": 0,
        "answered": {"kiosk check_in": all_answered},
        "reason": Reason(code="all_answered", text="all were answered"),
        "waited": {},
        "replays": (Replay(outcome="unharmed", crack=0, answered=all_answered, recovery_s=0),) * replays if replays > 1 else (),
    }
    cells = tuple(kept.model_copy(update=fields) for kept in read.cells)
    folder.write(read.model_copy(update={"cells": cells}), directory, VARIANTS)
    return directory


def whole(backend: FakeBackend, monkeypatch: pytest.MonkeyPatch, path: Path, *variants: str) -> None:
    """Make a scenario and some variants all that there are."""
    monkeypatch.setattr(scenario_file, "load_known", lambda: ([scenario_file.load(path)], ()))
    monkeypatch.setattr(scenario_file, "kept_variants", lambda *_, **__: {name: VARIANTS[name] for name in variants})
    backend.builders.clear()


def test_a_matrix_is_replayed_printed_and_written(matrix: Command, night: Path, tmp_path: Path) -> None:
    """Exit code 0 when every outcome is known; compared with itself, every cell is the same."""
    code, out, _ = matrix("--scenario", night, *FIXED, "--out", "out")
    assert code == 0
    assert "written: out" in out
    (kept,) = folder.read(tmp_path / "out", VARIANTS).cells
    assert kept.result == ("contained", 1)
    code, out, _ = matrix("--scenario", night, *FIXED, "--against", "out")
    assert (code, "1 of 1 cells are the same" in out) == (0, True)


def test_a_scenario_that_is_not_for_the_matrix_is_replayed_where_it_is_named(
    matrix: Command, night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among all that there are, it is passed over."""
    other = night.with_name("other.toml")
    other.write_text("matrix = false\n" + night.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(scenario_file, "load_known", lambda: ([scenario_file.load(path) for path in (night, other)], ()))
    assert matrix(*FIXED, "--out", "all")[0] == 0
    assert {column.scenario for column in folder.read(tmp_path / "all", VARIANTS).columns} == {night.stem}
    assert matrix("--scenario", other, *FIXED, "--out", "named")[0] == 0
    assert {column.scenario for column in folder.read(tmp_path / "named", VARIANTS).columns} == {"other"}


def test_a_cell_that_got_worse_is_exit_code_1(matrix: Command, night: Path, tmp_path: Path, backend: FakeBackend) -> None:
    """Also beside one that is unknown; it is replayed again until that is certain."""
    matrix("--scenario", night, *FIXED, "--out", "out")
    unharmed_before(tmp_path / "out", 5)
    backend.builders.clear()
    backend.failures = [None, ServiceError("cf-1 was not ready")]
    code, out, _ = matrix("--scenario", night, *FIXED, "--against", "out")
    assert (code, "worse" in out, "outcome and crack: 7 of 7, p 0.0047" in out, "1 of 8: unknown" in out) == (1, True, True, True)


def test_a_baseline_of_one_replay_fails_nothing_and_says_so(matrix: Command, night: Path, tmp_path: Path) -> None:
    """What looks worse of it is suspect."""
    matrix("--scenario", night, *FIXED, "--out", "out")
    unharmed_before(tmp_path / "out")
    code, out, _ = matrix("--scenario", night, *FIXED, "--against", "out")
    assert (code, "suspect" in out, "1 cells have too few replays in the baseline" in out) == (0, True, True)


def test_a_baseline_of_several_replays_is_one_command(matrix: Command, night: Path, tmp_path: Path) -> None:
    """Each is on record, with what was answered and how long it took; one that could not be believed, too."""
    code, out, _ = matrix("--scenario", night, *FIXED, "--out", "out", "--replays", 3)
    assert (code, "  3 of 3 a_night over fixed: contained 1" in out, "3 replays in " in out) == (0, True, True)
    (kept,) = folder.read(tmp_path / "out", VARIANTS).cells
    assert [(replay.result, replay.answered, replay.waited is None) for replay in kept.replays] == [
        (("contained", 1), kept.all_answered, False)
    ] * 3
    assert kept.reason is not None
    assert kept.reason.code == "served_again"
    assert set(kept.waited) == {"kiosk", "ivr", "partner"}


def test_a_matrix_that_ends_early_leaves_no_empty_folder(matrix: Command, night: Path, tmp_path: Path, backend: FakeBackend) -> None:
    """One that was there before stays."""
    for was_there in (False, True):
        backend.builders.clear()
        backend.failures = [None, ServiceError("cf-1 was not ready")]
        assert matrix("--scenario", night, *FIXED, "--out", "out")[0] == 3
        assert (tmp_path / "out").exists() is was_there
        (tmp_path / "out").mkdir(exist_ok=True)


def test_the_tables_of_a_kept_matrix_fit_the_width_that_is_asked_for(matrix: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipe, too; without one they fold nothing."""
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, matrix("show", "the_night")[1].splitlines())) <= 80
    monkeypatch.delenv("COLUMNS")
    assert max(map(len, matrix("show", "the_night")[1].splitlines())) > 80


def test_a_cell_that_is_unknown_is_exit_code_3(matrix: Command, night: Path, backend: FakeBackend) -> None:
    """Nothing says that it did not get worse; nor is it known where there is no baseline."""
    matrix("--scenario", night, *FIXED, "--out", "out")
    for against in (("--against", "out"), ()):
        backend.builders.clear()
        backend.failures = [ServiceError("cf-1 was not ready")] * (ATTEMPTS + len(against[:1]))  # the gate tries once more
        code, out, _ = matrix("--scenario", night, *FIXED, *against)
        assert (code, "cf-1 was not ready" in out) == (3, True)


@pytest.mark.parametrize(
    ("change", "unknown", "code"),
    [
        ("same", False, 0),
        ("better", False, 0),
        ("suspect", False, 0),
        ("new", False, 0),
        ("worse", False, 1),
        ("worse", True, 1),
        ("unknown", False, 3),
        ("same", True, 0),  # it was replayed again, and is known now
        (None, False, 0),
        (None, True, 3),
    ],
)
def test_the_exit_code_is_that_of_the_worst_cell(change: str | None, unknown: bool, code: int) -> None:  # noqa: FBT001
    """Worse is 1, before unknown, which is 3, whatever the other cells are; without a gate only unknown ones count."""
    made = made_of([cell("original"), cell("fixed", None if unknown else "contained", 1)])
    compared = None if change is None else Mock(changes={"same", change})
    assert matrix_module._exit_code(made, compared) == code  # noqa: SLF001


def test_what_is_gone_is_named_of_a_whole_matrix_only(
    matrix: Command, night: Path, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A matrix of some variants lacks the others on purpose."""
    matrix("--scenario", night, *FIXED, "--variant", "original", "--out", "out")
    _, partial, _ = matrix("--scenario", night, *FIXED, "--against", "out")
    assert "in the baseline, but not in this matrix" not in partial
    whole(backend, monkeypatch, night, "fixed")
    code, out, _ = matrix("--against", "out")
    assert (code, "in the baseline, but not in this matrix: a_night processes original" in out) == (0, True)


def test_a_cell_that_is_unknown_is_told_at_once_and_not_counted(matrix: Command, night: Path, backend: FakeBackend) -> None:
    """It is counted when it is known or given up; where nothing can be replayed, all are given up after the first."""
    backend.failures = [ServiceError("cf-1 was not ready")]
    code, out, _ = matrix("--scenario", night, *FIXED, "--variant", "original", "--jobs", 1)
    lines = out.splitlines()
    assert (code, lines[0]) == (0, "to be replayed again, alone: a_night over original is unknown: cf-1 was not ready")
    assert [line[:23] for line in lines[1:3]] == ["  1 of 2 a_night over f", "  2 of 2 a_night over o"]
    assert lines[3].startswith("2 cells in ")
    backend.builders.clear()
    backend.failures = [ServiceError("cf-1 was not ready")] * (2 + ATTEMPTS - 1)
    code, out, _ = matrix("--scenario", night, *FIXED, "--variant", "original", "--jobs", 1)
    assert (code, out.count("to be replayed again"), len(backend.builders)) == (3, 3, 5)  # the last is that after all cells
    assert [line[:23] for line in out.splitlines()[3:5]] == ["  1 of 2 a_night over o", "  2 of 2 a_night over f"]


def test_a_facility_that_is_not_steady_after_the_last_cell_fails_the_matrix(matrix: Command, night: Path, backend: FakeBackend) -> None:
    """Exit code 3, and nothing is written: something was left behind that may have changed the cells."""
    backend.failures = [None, ServiceError("cf-1 was not ready")]
    code, out, err = matrix("--scenario", night, *FIXED, "--out", "out")
    assert (code, "written" in out, err) == (3, False, "testbed: cf-1 was not ready\n")


def test_the_smallest_sets_are_printed(matrix: Command, night: Path, tmp_path: Path, backend: FakeBackend) -> None:
    """Exit code 0 if there is one and 1 if not; the replays that chose it do not count, and the checkpoint keeps nothing of it."""
    chosen = ("--scenario", night, *FIXED, "--variant", "original")
    code, out, _ = matrix("--minimal", "contained", *chosen, "--runs", "runs", "--confirm", 4)
    assert code == 0
    assert out.startswith("no pattern at all, so original\n0 passed 3 times in each of 1 scenarios\n")
    assert "1 sets of 1\n1 passed 3 times in each of 1 scenarios\neach is now replayed 4 more times in each scenario" in out
    assert "\n1. fixed: at least " in out
    assert out.endswith("   a_night: contained in 4 of 4 (at least 51 %, at 95 %)\n")
    assert len(backend.builders) == 1 + 3 + 4  # the first replay of the original is not contained
    assert (tmp_path / "runs" / "cells.jsonl").read_text() == ""
    code, out, _ = matrix("--minimal", "unharmed", "--scenario", night, *FIXED, "--largest", 1)
    assert (code, out.splitlines()[-1]) == (1, "no set of up to 1 patterns is known to be unharmed in every scenario")


def test_where_nothing_is_needed_the_search_says_so(matrix: Command, tmp_path: Path, backend: FakeBackend) -> None:
    """With the counts and the interval of any set; no pattern is replayed."""
    calm = scenario(tmp_path, "").path.rename(tmp_path / "a_calm_night.toml")
    code, out, _ = matrix("--minimal", "unharmed", "--scenario", calm, *FIXED, "--confirm", 4)
    assert (code, len(backend.builders)) == (0, 3 + 4)
    assert "1. no pattern is needed: original: at least 100% answered, at most 0 connections leaked\n" in out
    assert out.endswith("   a_calm_night: unharmed in 4 of 4 (at least 51 %, at 95 %)\n")


def test_a_search_in_which_nothing_can_be_told_ends_unknown(matrix: Command, night: Path, backend: FakeBackend) -> None:
    """Exit code 3: a set that could not be replayed may be one."""
    backend.failures = [ServiceError("cf-1 was not ready")] * 2 * ATTEMPTS
    code, out, _ = matrix("--minimal", "contained", "--scenario", night, *FIXED, "--variant", "original", "--largest", 1)
    assert code == 3
    assert "unknown, so not chosen: original, fixed\n" in out


@pytest.fixture
def nothing_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make any replay a failure."""
    monkeypatch.setattr(matrix_module, "interruptible", Mock(side_effect=AssertionError("something was replayed")))


@pytest.mark.usefixtures("nothing_replayed")
@pytest.mark.parametrize("option", ["--out", "--runs", "--against"])
def test_an_empty_folder_name_is_refused(matrix: Command, night: Path, tmp_path: Path, option: str) -> None:
    """It would be the current folder, which nobody meant."""
    before = set(tmp_path.iterdir())
    code, _, err = matrix("--scenario", night, *FIXED, option, "")
    assert (code, "found ''; allowed: a folder" in err, option in err) == (2, True, True)
    assert set(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("nothing_replayed")
def test_what_cannot_be_written_is_refused_before_the_replays(matrix: Command, night: Path, tmp_path: Path) -> None:
    """A link to nowhere, a folder that another matrix is being made for, and a wrong file of another scenario: exit code 2."""
    (tmp_path / "link").symlink_to("nowhere")
    kept, damaged = tmp_path / "kept", tmp_path / "damaged"
    folder.write(made_of([cell("fixed")]), damaged, VARIANTS)
    (damaged / "processes" / "the_night.jsonl").write_text("{}")
    with folder.locked(kept):
        for name, message in (
            ("link", "--out: nothing can be written to link; give another folder"),
            ("kept", "--out: another matrix is being made for kept; wait for its end, or give another folder"),
            ("damaged", "damaged/processes/the_night.jsonl, line 1: format: Field required"),
        ):
            code, _, err = matrix("--scenario", night, *FIXED, "--out", name)
            assert (code, message in err) == (2, True), err


def test_the_folder_is_locked_until_it_is_written(matrix: Command, night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While cells are replayed and while files are written, a second matrix is refused; then the next is not."""
    refused = []

    def require_locked(*_: object) -> None:
        with pytest.raises(matrix_module.UsageError, match="another matrix is being made for"), folder.locked(tmp_path / "out"):
            pass
        refused.append(True)

    write = folder.write
    monkeypatch.setattr(matrix_module, "interruptible", lambda work: (require_locked(), in_virtual_time(work))[1])
    monkeypatch.setattr(folder, "write", lambda *given: (require_locked(), write(*given)))
    assert matrix("--scenario", night, *FIXED, "--out", "out")[0] == 0
    assert matrix("merge", "out", "--out", "out")[0] == 0
    assert len(refused) == 3


@pytest.mark.usefixtures("nothing_replayed")
def test_a_shard_of_a_number_without_end_is_refused(matrix: Command, night: Path) -> None:
    """With what is allowed, and exit code 2."""
    code, _, err = matrix("--scenario", night, "--shard", f"1/{'9' * 5000}")
    assert (code, err) == (2, "testbed: --shard: found '1/99999999…999999999'; allowed: I/N with 1 <= I <= N <= 9999, such as 2/4\n")


def shards() -> list[Matrix]:
    """Make a matrix of two cells, in two parts."""
    made = made_of([cell("original"), cell("fixed", "contained", 1)])
    return [made.model_copy(update={"cells": made.cells[:1]}), made.model_copy(update={"cells": made.cells[1:]})]


def test_a_merge_without_a_cell_is_exit_code_2(matrix: Command, tmp_path: Path) -> None:
    """It is named, and the others were written; with all shards, nothing is missing."""
    for number, part in enumerate(shards()):
        folder.write(part, tmp_path / str(number), VARIANTS)
    code, _, err = matrix("merge", "0", "--out", "whole")
    assert (code, "1 cells are in none of the folders, the first: the_night processes fixed; is a shard missing?" in err) == (2, True)
    assert [kept.variant for kept in folder.read(tmp_path / "whole", VARIANTS).cells] == ["original"]
    code, _, _ = matrix("merge", "0", "1", "--out", "whole")
    assert (code, len(folder.read(tmp_path / "whole", VARIANTS).cells)) == (0, 2)


def test_the_commit_is_that_before_the_replays(
    matrix: Command, night: Path, tmp_path: Path, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed while they go on did not replay anything."""
    monkeypatch.setattr(commit, "current", lambda: "after" if backend.calls else "before")
    matrix("--scenario", night, *FIXED, "--out", "out")
    assert [made.commit for made in folder.read(tmp_path / "out", VARIANTS).made.values()] == ["before"]


def test_the_checkpoint_of_other_options_is_not_used(
    matrix: Command, night: Path, tmp_path: Path, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another PostgreSQL, proxy or image may come out otherwise; the same ones do not."""
    kept: list[Cell | None] = []

    async def interrupted(
        bench: matrix_module.MatrixRun, _: object, cells: tuple, __: object, checkpoint: matrix_module.CheckpointFile
    ) -> None:  # type: ignore[type-arg]
        kept.append(checkpoint.find(cells[0]))
        checkpoint.add(cells[0], cell("fixed"))
        raise ServiceError("cf-1 was not ready")

    monkeypatch.setattr(matrix_module, "_make", interrupted)
    for options in ((), (), ("--postgres", tmp_path), ("--toxiproxy", "127.0.0.1:8474"), ("--postgres", tmp_path)):
        assert matrix("--scenario", night, *FIXED, "--runs", "runs", *options)[0] == 3
    assert [found is not None for found in kept] == [False, True, False, False, True]
    kept.clear()
    for versions in ({"postgresql": "18.1", "image": "a"}, {"image": "a", "postgresql": "18.1"}, {"image": "b", "postgresql": "18.1"}):
        backend.versions = versions
        assert matrix("--scenario", night, *FIXED, "--runs", "runs")[0] == 3
    assert [found is not None for found in kept] == [False, True, False]
