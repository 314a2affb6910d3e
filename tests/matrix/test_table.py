from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.errors import UsageError
from testbed.matrix import table
from tests.matrix.cells import NIGHT, cell, matrix

if TYPE_CHECKING:
    from pathlib import Path


def test_a_matrix_is_read_as_it_was_written(tmp_path: Path) -> None:
    """With its cells in the order of columns and rows, however they came."""
    made = matrix([cell("original"), cell("fixed", "contained", 1)])
    shuffled = made.model_copy(update={"cells": made.cells[::-1]})
    table.write(shuffled, tmp_path / "m.json")
    assert table.read(tmp_path / "m.json") == made


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "file: Invalid JSON"), ('{"rows": []}', "columns: Field required"), ('{"format": 2}', "format: Input should be 1")],
)
def test_a_file_that_is_no_matrix_is_refused_with_its_name(tmp_path: Path, text: str, told: str) -> None:
    """One line: which file, what is wrong in it, and what makes one."""
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=rf"m.json is no matrix: {told}.*`testbed matrix --out` writes one"):
        table.read(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With its name and the reason."""
    with pytest.raises(UsageError, match=r"none.json cannot be read: No such file"):
        table.read(tmp_path / "none.json")


def test_what_was_not_replayed_is_missing() -> None:
    """Every pair of column and row without a cell, by name."""
    made = matrix([cell("original"), cell("fixed", scenario="calm")])
    assert made.missing == (("the_night", "processes", "fixed"), ("calm", "processes", "original"))
    assert made.cell(NIGHT, "fixed") is None


def test_shards_merge_into_the_whole() -> None:
    """Two halves of the same matrix are the matrix, in the order of its rows."""
    whole = matrix([cell("original"), cell("fixed")])
    parts = [("a", whole.model_copy(update={"cells": whole.cells[1:]})), ("b", whole.model_copy(update={"cells": whole.cells[:1]}))]
    assert table.merge(parts) == whole


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (matrix([cell("fixed")], seed=2), "b: the_night on processes is another trace"),
    ],
)
def test_files_that_tell_different_things_do_not_merge(other: table.Matrix, told: str) -> None:
    """Another trace: told with the file and the column."""
    with pytest.raises(UsageError, match=told):
        table.merge([("a", matrix([cell("original")])), ("b", other)])


def test_a_cell_of_several_files_was_replayed_as_often() -> None:
    """It is as most of its replays were, and tells what else was seen; of equals, the worst."""
    good, bad = cell("fixed", "contained", 1), cell("fixed", "grounded", 6)
    merged = table.merge([(str(number), matrix([one])) for number, one in enumerate([good, bad, good])])
    (one,) = merged.cells
    assert (one.result, one.seen, one.worst) == ("contained 1", {"contained 1": 2, "grounded 6": 1}, bad.badness)
    again = table.merge([("a", merged), ("b", matrix([bad]))]).cells[0]
    assert (again.result, again.seen) == ("grounded 6", {"contained 1": 2, "grounded 6": 2})


def test_a_variant_with_other_settings_does_not_merge() -> None:
    """The same name for two things would make a row that is neither."""
    one = matrix([cell("original")])
    other = matrix([cell("original", scenario="calm")])
    changed = other.model_copy(update={"rows": (other.rows[0].model_copy(update={"settings": {"caller": {"retries": 1}}}),)})
    with pytest.raises(UsageError, match="b: the variant original is another"):
        table.merge([("a", one), ("b", changed)])
