from __future__ import annotations

import asyncio

import pytest

from testbed.errors import UsageError
from testbed.experiments.matrix import gate
from testbed.experiments.matrix.cell import Cell, Tally
from testbed.experiments.matrix.gate import Compared
from testbed.report.terminal import plain_console
from tests.experiments.matrix.cells import cell, matrix

CONTAINED, WORSE = cell("fixed", "contained", 1), cell("fixed", "grounded", 6)


def compared(baseline: Cell, now: Cell, *more: Cell) -> tuple[Compared, int]:
    """Compare a cell, which is replayed again as `more`; gives what came of it, and how many of those were asked for."""
    again = list(more)

    async def replay(_: Cell) -> Cell:
        return again.pop(0)

    (result,) = asyncio.run(gate.compare(matrix([baseline]), [now], replay))
    return result, len(more) - len(again)


def test_a_cell_that_is_as_it_was_is_the_same_at_the_first_look() -> None:
    """Nothing is replayed again for it."""
    result, replayed = compared(CONTAINED, CONTAINED)
    assert (result.change, replayed) == ("same", 0)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (CONTAINED, WORSE),
        (cell("fixed", "unharmed", 0), CONTAINED),
        (CONTAINED, cell("fixed", "contained", 2)),  # the same outcome, and the crack went further
    ],
)
def test_a_cell_that_got_worse_each_time_is_worse(before: Cell, now: Cell) -> None:
    """As soon as more than half of all replays say so, without the rest."""
    result, replayed = compared(before, now, now, now, now, now)
    assert (result.change, replayed) == ("worse", 2)


def test_chance_does_not_fail_a_build() -> None:
    """Worse once and as it was in the others is the same."""
    result, replayed = compared(CONTAINED, WORSE, CONTAINED, CONTAINED, CONTAINED, CONTAINED)
    assert (result.change, replayed, len(result.now)) == ("same", 3, 4)


def test_more_often_worse_than_not_is_worse() -> None:
    """Three of five decide."""
    result, replayed = compared(CONTAINED, WORSE, CONTAINED, WORSE, CONTAINED, WORSE)
    assert (result.change, replayed) == ("worse", 4)


def test_better_once_of_several_is_the_same() -> None:
    """More than half of the replays have to be."""
    unharmed = cell("fixed", "unharmed", 0)
    assert Compared(CONTAINED, (unharmed, CONTAINED, WORSE)).change == "same"
    assert Compared(CONTAINED, (unharmed, CONTAINED)).change == "same"
    assert Compared(CONTAINED, (unharmed, CONTAINED, unharmed)).change == "better"


def test_what_was_seen_of_a_cell_before_is_not_worse() -> None:
    """A cell that came out one way or the other when the baseline was made may do so again."""
    uncertain = CONTAINED.model_copy(
        update={"tallies": (Tally(outcome="contained", crack=1, times=2), Tally(outcome="grounded", crack=5, times=1))}
    )
    assert compared(uncertain, cell("fixed", "grounded", 5))[0].change == "same"
    assert compared(uncertain, WORSE, *[WORSE] * 4)[0].change == "worse"


def test_a_cell_that_got_better_is_told_and_fails_nothing() -> None:
    """A pattern that holds more than it did."""
    result, _ = compared(WORSE, CONTAINED)
    assert result.change == "better"


def test_a_cell_that_cannot_be_told_is_neither() -> None:
    """Unknown is not the same; nor is a cell that the baseline does not have worse."""
    result, _ = compared(CONTAINED, cell("fixed", None))
    assert result.change == "unknown"
    assert compared(cell("original"), WORSE)[0].change == "new"
    assert compared(cell("fixed", None), WORSE)[0].change == "new"


def test_another_trace_is_not_compared() -> None:
    """With both, and how the baseline is made anew."""
    with pytest.raises(UsageError, match=r"another trace of the_night \(seed 1.*now seed 2.*`testbed matrix --scenario the_night --out`"):
        gate.require_comparable(matrix([CONTAINED]), matrix([CONTAINED], seed=2))
    gate.require_comparable(matrix([CONTAINED]), matrix([CONTAINED, cell("fixed", scenario="another")]))
    made = matrix([CONTAINED])
    seeded = made.model_copy(update={"columns": (made.columns[0].model_copy(update={"seed": 2}),)})
    with pytest.raises(UsageError, match=r"another trace of the_night \(seed 1, 100 requests; now seed 2, 100\)"):
        gate.require_comparable(made, seeded)


def test_the_table_has_what_changed_with_counts() -> None:
    """Baseline and now beside each other; what is the same is a number below."""
    console = plain_console(record=True, width=140)
    with console.capture() as printed:
        rows = (Compared(CONTAINED, (WORSE, CONTAINED, WORSE)), Compared(CONTAINED, (CONTAINED,)), Compared(None, (cell("retry"),)))
        console.print(gate.table(rows))
    text = printed.get()
    assert "2 of 3: grounded 6" in text
    assert "1 of 3: contained 1" in text
    assert "worse" in text
    assert "new" in text
    assert "1 of 3 cells are the same" in text


def test_what_is_not_there_any_more_is_named() -> None:
    """Of the runtime that was replayed: a cell that nobody looks at can get no worse."""
    baseline = matrix([cell("original"), cell("fixed"), cell("fixed", runtime="containers")])
    assert gate.gone(baseline, matrix([cell("original")]), "processes") == ("the_night processes fixed",)
    assert gate.gone(baseline, baseline, "processes") == ()
