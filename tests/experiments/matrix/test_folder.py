from __future__ import annotations

import difflib
import errno
import fcntl
import os
import shutil
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from testbed import scenario_file
from testbed.errors import UsageError
from testbed.experiments.matrix import folder, table
from testbed.experiments.matrix.cell import Part, Replay, Slowest, Tally
from testbed.plan.settings import KeptVariant
from tests.experiments.matrix.cells import cell, matrix

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.experiments.matrix.table import Matrix

VARIANTS = {name: KeptVariant(level="code", says="in words", made_of="a file") for name in ("original", "fixed", "retry")}
NIGHT = "processes/the_night.jsonl"


def two() -> Matrix:
    """Make a matrix of two scenarios, one of them on both runtimes, with all that a cell can have."""
    tallies = (Tally(outcome="contained", crack=1, times=2), Tally(outcome=None, crack=2, times=1))
    waited = {"count": 9, "median_s": 0.1, "p90_s": 2.5, "p99_s": None, "longest_s": None}
    kept: dict[str, object] = {
        "reason": {"code": "stuck_at_end", "text": "kiosk stood still to the end"},
        "waited": {"kiosk": waited},
        "replays": (
            Replay(outcome="grounded", crack=6, answered=Part(count=15, of=100), waited=Slowest(median_s=0.1, p99_s=None)),
            Replay(outcome=None, crack=2, code="doubted"),
        ),
    }
    return matrix(
        [
            cell("original", "unharmed", 0, scenario="calm", recovery_s=0, recovery_night_s=0, by_itself=True),
            cell("fixed", None, 2, scenario="calm"),
            cell("original", hang_after_night_s=21_000, **kept),
            cell("fixed", "contained", 1, red=3, recovery_s=2, recovery_night_s=7200, by_itself=False, tallies=tallies),
            cell("original", runtime="containers"),
            cell("fixed", "contained", 5, runtime="containers"),
        ]
    )


def files(directory: Path) -> dict[str, str]:
    """Return the text of every file below a directory, hidden ones too, by its path."""
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}


def changed_lines(before: str, after: str) -> int:
    """Count the lines that a diff would show as removed, or as added where more are added."""
    lines = [line[0] for line in difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)][2:]
    return max(lines.count("-"), lines.count("+"))


def test_a_matrix_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Every figure, how each column was made, and the order of columns and rows."""
    folder.write(two(), tmp_path, VARIANTS)
    assert folder.read(tmp_path, VARIANTS) == two()


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\r", "\n"])
def test_a_line_separator_in_a_text_is_read_as_it_was_written(tmp_path: Path, separator: str) -> None:
    """A line of the file ends at a line feed only, whatever Unicode calls a line."""
    made = matrix([cell("original", None, 2, unknown=f"was{separator}late")])
    titled = made.model_copy(update={"columns": (made.columns[0].model_copy(update={"title": f"A{separator}night"}),)})
    folder.write(titled, tmp_path, VARIANTS)
    assert folder.read(tmp_path, VARIANTS) == titled


def test_each_scenario_and_runtime_has_a_file_and_all_have_a_page_and_a_picture(tmp_path: Path) -> None:
    """And there is nothing else."""
    folder.write(two(), tmp_path / "new", VARIANTS)
    assert set(files(tmp_path / "new")) == {NIGHT, "processes/calm.jsonl", "containers/the_night.jsonl", "README.md", "containment.svg"}


def test_a_file_has_a_header_and_a_line_for_each_variant_in_the_order_of_their_file(tmp_path: Path) -> None:
    """However cells and rows come."""
    made = two()
    shuffled = made.model_copy(update={"cells": made.cells[::-1]})
    folder.write(shuffled, tmp_path, VARIANTS)
    header, *lines = (tmp_path / NIGHT).read_text().splitlines()
    assert header.startswith(
        '{"format":2,"title":"A night","seed":1,"requests":100,"trace_sha256":"the_night-1","made_by":"testbed matrix"'
    )
    assert [line.split('"')[3] for line in lines] == ["original", "fixed"]
    assert '"leaked":"80/80"' in lines[0]
    turned = folder.read(tmp_path, dict(reversed(VARIANTS.items())))
    assert [row.variant for row in turned.rows] == ["fixed", "original"]
    folder.write(turned, tmp_path, VARIANTS)
    assert [line.split('"')[3] for line in (tmp_path / NIGHT).read_text().splitlines()[1:]] == ["fixed", "original"]


def test_a_scenario_that_comes_out_as_before_changes_nothing(tmp_path: Path) -> None:
    """Written again by the same command and code, every file is the same byte for byte."""
    folder.write(two(), tmp_path, VARIANTS)
    before = files(tmp_path)
    folder.write(two().only(("the_night", "processes")), tmp_path, VARIANTS)
    assert files(tmp_path) == before


def test_a_remade_scenario_changes_a_line_a_variant_of_one_file(tmp_path: Path) -> None:
    """And its header, with another figure in each cell; page and picture change in the rows of that scenario only."""
    variants = scenario_file.kept_variants()
    cells = [cell(variant, scenario=scenario) for scenario in ("calm", "the_night", "trickle") for variant in variants]
    folder.write(matrix(cells), tmp_path, variants)
    before = files(tmp_path)
    again = matrix([cell(variant, "contained", 1, red=5, leaked=Part(count=1, of=80)) for variant in variants])
    made = {key: provenance.model_copy(update={"commit": "another"}) for key, provenance in again.made.items()}
    folder.write(again.model_copy(update={"made": made}), tmp_path, variants)
    after = files(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {NIGHT, folder.PAGE, folder.PICTURE}
    assert len(variants) < changed_lines(before[NIGHT], after[NIGHT]) <= len(variants) + 2
    assert changed_lines(before[folder.PICTURE], after[folder.PICTURE]) == len(variants)
    assert changed_lines(before[folder.PAGE], after[folder.PAGE]) < 10


def test_shards_are_written_and_merge_into_the_whole(tmp_path: Path) -> None:
    """A cell that a shard left out is a line without figures: it is known to be missing, and the whole has no trace of that."""
    whole = two()
    for number in (0, 1):
        part = whole.model_copy(update={"cells": whole.cells[number::2]})
        folder.write(part, tmp_path / str(number), VARIANTS)
    parts = [(str(number), folder.read(tmp_path / str(number), VARIANTS)) for number in (0, 1)]
    assert parts[0][1].missing == tuple(key for key in (replayed.key for replayed in whole.cells[1::2]))
    assert table.merge(parts) == whole


@pytest.mark.parametrize(
    ("number", "text", "mistake"),
    [
        (1, "", "line 1: Invalid JSON"),
        (1, '{"format":1}', "line 1: format: Input should be 2"),
        (1, '{"title":"","seed":1,"requests":1,"trace_sha256":"","made_by":"","commit":""}', "line 1: format: Field required"),
        (1, ('"seed":1', f'"seed":{2**63}'), "line 1: seed: Input should be less than"),
        (1, ('"requests":100', '"requests":1000000001'), "line 1: requests: Input should be less than or equal to 1000000000"),
        (2, '{"variant":"original","settings":"a","outcome":"grou', "line 2: Invalid JSON"),
        (2, "[]", "line 2: Input should be an object"),
        (2, '{"settings":"a"}', "line 2: variant: Field required"),
        (3, '{"variant":"fixed","settings":"a","outcome":"contained"}', "line 3: crack: Field required"),
        (3, '{"variant":"original","settings":"a"}', "line 3: the variant original stands on a line before"),
        (3, '{"variant":"fixed","settings":"a","outcome":"fine","crack":9}', "line 3: outcome: Input should be 'unharmed', 'contained' or"),
        (3, ('"80/80"', '"81 of 80"'), "line 3: leaked: Value error, found '81 of 80'; allowed: a count and a total, such as '77/83'"),
        (3, ('"80/80"', '"99/10"'), "line 3: leaked: Value error, found '99/10'; allowed: a count that is at most the total"),
        (3, ('"80/80"', f'"1/{"9" * 5000}"'), "line 3: leaked: Value error, found '1/99999999…999999999'; allowed: a count and"),
        (3, ('"80/80"', '"\u0663/\u0664"'), "line 3: leaked: Value error, found '\u0663/\u0664'; allowed: a count and a total"),
        (3, ('"red":3', '"red":1000000001'), "line 3: red: Input should be less than or equal to 1000000000"),
        (3, ('"red":3', f'"red":{"9" * 5000}'), "line 3: "),
        (3, ('"times":2', '"times":1000000001'), "line 3: tallies.0.times: Input should be less than or equal to 1000000000"),
        (3, ('"red":3', '"scenario":"calm"'), "line 3: scenario: not allowed in a line, as the name of the file says it"),
        (3, ('"red":3', '"runtime":"containers"'), "line 3: runtime: not allowed in a line, as the name of the file says it"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_name_and_the_line(
    tmp_path: Path, number: int, text: str | tuple[str, str], mistake: str
) -> None:
    """One message: file, line, key, what is wrong, and what writes the file anew."""
    folder.write(two(), tmp_path, VARIANTS)
    lines = (tmp_path / NIGHT).read_text().splitlines()
    lines[number - 1] = text if isinstance(text, str) else lines[number - 1].replace(*text, 1)
    (tmp_path / NIGHT).write_text("\n".join(lines))
    with pytest.raises(UsageError) as caught:
        folder.read(tmp_path, VARIANTS)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / NIGHT}, {mistake}")
    assert message.endswith("; `testbed matrix --out` writes it anew once it is removed")
    assert "\n" not in message


@pytest.mark.parametrize("names", [[NIGHT], [NIGHT, "processes/calm.jsonl", "containers/the_night.jsonl"]])
def test_a_file_that_was_cut_down_to_its_header_is_refused(tmp_path: Path, names: list[str]) -> None:
    """One of them, or all of a folder: each file has the lines of its variants."""
    folder.write(two(), tmp_path, VARIANTS)
    for name in names:
        (tmp_path / name).write_text((tmp_path / name).read_text().splitlines()[0] + "\n")
    with pytest.raises(UsageError, match=r"\.jsonl has no line of a variant, only a header; `testbed matrix --out` writes it anew"):
        folder.read(tmp_path, VARIANTS)


def test_a_file_of_another_scenario_that_is_wrong_is_noticed_before_the_replays(tmp_path: Path) -> None:
    """Page and picture are of all files, so every one is read; nothing is lost of a scenario that is not written."""
    folder.write(two(), tmp_path, VARIANTS)
    night = two().only(("the_night", "processes"))
    keys = [replayed.key for replayed in night.cells]
    folder.require_nothing_lost(tmp_path, night.columns, keys, VARIANTS)
    (tmp_path / "processes" / "calm.jsonl").write_text("{}")
    with pytest.raises(UsageError, match=r"calm.jsonl, line 1: format: Field required"):
        folder.require_nothing_lost(tmp_path, night.columns, keys, VARIANTS)


def test_a_folder_takes_one_matrix_at_a_time(tmp_path: Path) -> None:
    """A second would not see the cells of the first; the lock leaves no file, and goes with its matrix, however that ends."""
    out = tmp_path / "new"
    with folder.locked(out), pytest.raises(UsageError, match=r"--out: another matrix is being made for .*new; wait"), folder.locked(out):
        pass
    with pytest.raises(ZeroDivisionError), folder.locked(out):
        raise ZeroDivisionError
    with pytest.raises(BlockingIOError), folder.locked(out):
        raise BlockingIOError  # a replay's own error
    with folder.locked(tmp_path / "new"):
        assert list(out.iterdir()) == []


def test_a_folder_that_cannot_be_made_or_locked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its name and the reason."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--out: nothing can be written to .*file: File exists"), folder.locked(tmp_path / "file"):
        pass
    monkeypatch.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.ENOLCK, "No locks available")))
    with pytest.raises(UsageError, match=r"--out: .*new cannot be locked: No locks available"), folder.locked(tmp_path / "new"):
        pass


def test_what_is_no_folder_of_a_matrix_is_refused(tmp_path: Path) -> None:
    """The one file of earlier versions, a folder that is not there, and one without a matrix: each with what to do."""
    old = tmp_path / "containment.json"
    old.write_text('{"columns": []}')
    with pytest.raises(UsageError, match=r"containment.json is a file; a matrix is a folder since format 2, such as scenarios/containment"):
        folder.read(old, VARIANTS)
    with pytest.raises(UsageError, match=r"the matrix .*none cannot be read: there is no such folder"):
        folder.read(tmp_path / "none", VARIANTS)
    with pytest.raises(UsageError, match=r"is no matrix: there is no processes/SCENARIO.jsonl in it"):
        folder.read(tmp_path, VARIANTS)


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing beside it: a reader never finds half of a file."""
    folder.write(two(), tmp_path, VARIANTS)
    before = files(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        folder.write(matrix([cell("original", "unharmed", 0)]), tmp_path, VARIANTS)
    assert files(tmp_path) == before


def test_no_cell_is_lost_to_a_file_with_fewer_of_them(tmp_path: Path) -> None:
    """A cell that is not replayed now stays where it is, unless its variant is no more."""
    folder.write(two(), tmp_path, VARIANTS)
    columns, keys = two().columns[:1], [replayed.key for replayed in two().cells if replayed.variant == "fixed"]
    with pytest.raises(UsageError, match=r"calm.jsonl has 1 cells that would be lost, the first: original; write to another folder"):
        folder.require_nothing_lost(tmp_path, columns, keys, VARIANTS)
    folder.require_nothing_lost(tmp_path, columns, keys, {"fixed": VARIANTS["fixed"]})
    folder.require_nothing_lost(tmp_path / "new", columns, keys, VARIANTS)
    folder.require_nothing_lost(tmp_path, columns, [replayed.key for replayed in two().cells], VARIANTS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.md", "# My thesis\n"),
        ("README.md", "# Scenarios\n\nGenerated; do not edit.\n"),
        ("README.md", ""),
        ("containment.svg", "<svg><title>Mine</title></svg>"),
        ("containment.svg", "\udcff"),
    ],
)
def test_a_page_or_picture_of_somebody_else_is_not_overwritten(tmp_path: Path, name: str, text: str) -> None:
    """It is refused by its name; those that a matrix wrote are not."""
    folder.write(two(), tmp_path, VARIANTS)
    folder.require_writable(tmp_path, two().columns)
    folder.require_writable(tmp_path / "new", two().columns)
    (tmp_path / name).write_text(text, errors="surrogateescape")
    with pytest.raises(UsageError, match=rf"--out: .*{name} was not written by `testbed matrix` and would be lost; give another folder"):
        folder.require_writable(tmp_path, two().columns)


def test_a_folder_with_something_else_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    """A file named as a runtime, a link to nowhere, and a folder named as a file."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "processes").touch()
    with pytest.raises(UsageError, match=r"--out: nothing can be written to .*one/processes; give another folder"):
        folder.require_writable(tmp_path / "one", two().columns)
    for link in ("link", "two/processes"):
        (tmp_path / link).parent.mkdir(exist_ok=True)
        (tmp_path / link).symlink_to("nowhere")
        with pytest.raises(UsageError, match=rf"--out: nothing can be written to .*{link}; give another folder"):
            folder.require_writable(tmp_path / link.removesuffix("/processes"), two().columns)
    for name in (NIGHT, "README.md", "containment.svg"):
        (tmp_path / name / "of" / name).mkdir(parents=True)
        with pytest.raises(UsageError, match=rf"--out: .*{name} is not a file and cannot be replaced"):
            folder.require_writable(tmp_path, two().columns)
        shutil.rmtree(tmp_path / name)


def test_a_variant_that_is_no_more_stays_readable(tmp_path: Path) -> None:
    """Its row comes last, without words."""
    folder.write(two(), tmp_path, VARIANTS)
    read = folder.read(tmp_path, {"fixed": VARIANTS["fixed"]})
    assert [(row.variant, row.level) for row in read.rows] == [("fixed", "code"), ("original", "")]
