from __future__ import annotations

import pytest

from testbed.errors import UsageError
from testbed.experiments.matrix import table
from testbed.experiments.matrix.cell import Tally, most_of
from testbed.experiments.matrix.table import Provenance
from tests.experiments.matrix.cells import NIGHT, cell, matrix


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
        (matrix([cell("fixed")], seed=2), "b: the_night on processes has another trace"),
    ],
)
def test_files_that_tell_different_things_do_not_merge(other: table.Matrix, told: str) -> None:
    """Another trace: told with the file and the column."""
    with pytest.raises(UsageError, match=told):
        table.merge([("a", matrix([cell("original")])), ("b", other)])


def test_a_cell_of_several_files_was_replayed_as_often() -> None:
    """It is as most of its replays were, and tells what else was seen; of equals, the worst."""
    good, bad = cell("fixed", "contained", 1), cell("fixed", "grounded", 6)
    merged = table.merge([(str(number), matrix([merged_cell])) for number, merged_cell in enumerate([good, bad, good])])
    (merged_cell,) = merged.cells
    assert merged_cell.result == ("contained", 1)
    assert merged_cell.tallies == (Tally(outcome="contained", crack=1, times=2), Tally(outcome="grounded", crack=6, times=1))
    again = table.merge([("a", merged), ("b", matrix([bad]))]).cells[0]
    assert again.result == ("grounded", 6)
    assert [tally.times for tally in again.tallies] == [2, 2]


def test_the_columns_of_a_runtime_stand_together() -> None:
    """By their scenarios, the runtimes in the order of the folders."""
    night, other = matrix([cell("original")]), matrix([cell("original", scenario="calm", runtime="containers")])
    calm = matrix([cell("original", scenario="calm")])
    merged = table.merge([("a", night), ("b", other), ("c", calm)])
    assert [column.key for column in merged.columns] == [("calm", "processes"), ("the_night", "processes"), ("calm", "containers")]


def test_a_cell_that_was_unknown_each_time_is_unknown() -> None:
    """As most of them were, with a tally; one that is known counts, however often it was not."""
    once, twice = cell("fixed", None, 3), cell("fixed", None, 1)
    merged = most_of([once, twice, twice])
    assert merged.result == (None, 1)
    assert merged.tallies == (Tally(outcome=None, crack=1, times=2), Tally(outcome=None, crack=3, times=1))
    assert most_of([twice, twice, cell("fixed", "contained", 1)]).result == ("contained", 1)


def test_a_matrix_merged_alone_is_itself() -> None:
    """Its tallies, its commands and its commits too: who only redraws page and picture changes nothing."""
    made = table.merge([(name, matrix([cell("fixed", "contained", crack)])) for name, crack in (("a", 1), ("b", 2))])
    assert table.merge([("c", made)]) == made


def test_a_variant_with_other_settings_does_not_merge() -> None:
    """The same name for two things would make a row that is neither."""
    merged_cell = matrix([cell("original")])
    other = matrix([cell("original", scenario="calm")])
    changed = other.model_copy(update={"made": {("calm", "processes"): Provenance(settings={"original": "another"})}})
    with pytest.raises(UsageError, match="b: the variant original in calm on processes has other settings"):
        table.merge([("a", merged_cell), ("b", changed)])
