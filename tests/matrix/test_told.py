from __future__ import annotations

from xml.etree import ElementTree as Xml

import pytest

from testbed.console import plain
from testbed.matrix import heat_map, lessons, told
from testbed.matrix.cell import Cell, Part
from testbed.matrix.table import Matrix
from tests.matrix.cells import cell, matrix

CALLERS_FREE = {"servers": Part(count=80, of=80), "callers": Part(count=0, of=120)}


def two() -> Matrix:
    """Make a matrix of two scenarios and two variants, with a cell missing."""
    return matrix(
        [
            cell("original", hang_night_s=21_000.0),
            cell("fixed", "contained", 1, leaked=Part(count=0, of=80), recovery_s=1.5, recovery_night_s=7200.0, by_itself=True),
            cell("fixed", "unharmed", 0, scenario="calm"),
        ]
    )


def printed(made: Matrix) -> str:
    """Print a matrix as on a terminal of 80 columns."""
    console = plain(width=80)
    with console.capture() as captured:
        console.print(told.table(made))
        console.print(told.taught(made))
        console.print(told.doubtful(made.cells))
    return captured.get()


def test_the_table_has_each_cell_in_a_few_words() -> None:
    """Outcome, crack and share; what was not replayed is marked, and nothing is wider than the terminal."""
    text = printed(two())
    assert "grounded 6 15\N{NO-BREAK SPACE}%" in text
    assert "contained 1 15\N{NO-BREAK SPACE}%" in text
    (line,) = (line for line in text.splitlines() if line.strip().startswith("original"))
    assert line.split()[-1] == told.NOT_REPLAYED
    assert max(map(len, text.splitlines())) <= 80


def test_a_cell_that_cannot_be_told_says_why() -> None:
    """In the table a word, below it the reason."""
    text = printed(matrix([cell("retry", None, 2)]))
    assert "unknown 2" in text
    assert "unknown: the_night processes retry: the open loop was late" in text


def test_the_page_has_matrix_figures_and_variants() -> None:
    """Markdown of whole rows: every line of a table has as many cells as its head."""
    page = told.markdown(two().model_copy(update={"made_by": "testbed matrix --out x"}))
    assert "Made by `testbed matrix --out x`" in page
    assert "| `fixed` | contained 1 15\N{NO-BREAK SPACE}% | unharmed 0 15\N{NO-BREAK SPACE}% |" in page
    assert "1.5 s (2 h 00 min of the night), by itself" in page
    for block in page.split("\n\n"):
        if block.startswith("| "):
            assert len({line.count(" | ") for line in block.strip().splitlines()}) == 1, block


def test_two_runtimes_are_two_columns_with_their_names() -> None:
    """One runtime needs no name in the head."""
    both = matrix([cell("original"), cell("original", runtime="containers")])
    assert "| variant | the_night (processes) | the_night (containers) |" in told.markdown(both)
    assert "| variant | the_night | calm |" in told.markdown(two())


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (cell("a", "unharmed", 0), "no trouble"),
        (cell("a"), "not within the night"),
        (cell("a", recovery_s=2.0, recovery_night_s=60.0, by_itself=False), "by hand"),
        (cell("a", None), "unknown: the open loop was late"),
    ],
)
def test_recovery_is_told_with_who_ended_the_trouble(one: Cell, words: str) -> None:
    """By itself, by hand, not at all, or there was none."""
    assert words in told.recovered(one)


def test_the_picture_has_a_field_for_every_cell_in_words_too() -> None:
    """It is well-formed, is told apart without its colours, and marks what was not replayed."""
    picture = Xml.fromstring(heat_map.draw(two()))  # noqa: S314 - our own
    texts = [one.text for one in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"G6 15", "G grounded"} <= set(texts)
    assert told.NOT_REPLAYED in texts
    fields = [one for one in picture.iter("{http://www.w3.org/2000/svg}rect") if one.get("fill-opacity")]
    assert len(fields) == 4


def test_a_lesson_holds_or_is_told_as_contradicted() -> None:
    """Each is asked of the cells: what a measurement contradicts does not stay among what is taught."""
    breaker = cell("circuit_breaker")
    both = cell("circuit_breaker_call_timeout", crack=4, blocked=CALLERS_FREE)
    (holds,) = lessons.taught(matrix([breaker, both]))
    assert holds.holds
    assert "120 of 120" in holds.figures
    better = cell("circuit_breaker", "contained", 1, blocked=CALLERS_FREE)
    (contradicted,) = lessons.taught(matrix([better, both]))
    assert not contradicted.holds
    page = told.markdown(matrix([better, both]))
    assert "## What these measurements contradict" in page
    assert "## What it teaches" not in page


def test_lessons_speak_only_of_what_was_replayed() -> None:
    """Without its variants, or without the night, a lesson says nothing; nor of a cell that cannot be told."""
    assert lessons.taught(matrix([cell("circuit_breaker")])) == ()
    assert lessons.taught(matrix([cell("service_groups", scenario="calm")])) == ()
    assert lessons.taught(matrix([cell("service_groups", None)])) == ()


def kept(boarding: int, check_in: int) -> dict[str, Part]:
    """Give the transactions that were kept."""
    return {"kiosk check_in": Part(count=check_in, of=100), "kiosk reprint_boarding_pass": Part(count=boarding, of=10)}


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([cell("original"), cell("fixed", "contained", 1, leaked=Part(count=0, of=80))], "Closing each resource"),
        ([cell("original"), cell("handshaking", green=Part(count=3, of=7))], "Monitoring that answers"),
        ([cell("service_groups")], "Service groups"),
        ([cell("original", hang_night_s=200.0), cell("retry", hang_night_s=100.0)], "Retries make it worse"),
        ([cell("original"), cell("checkout_timeout", crack=2)], "A checkout time-out"),
        ([cell("original", kept=kept(2, 10)), cell("bulkhead", crack=4, kept=kept(10, 10))], "A bulkhead saves"),
    ],
)
def test_every_lesson_can_hold(cells: list[Cell], says: str) -> None:
    """And is told with figures."""
    held = [one for one in lessons.taught(matrix(cells)) if one.says.startswith(says)]
    assert [one.holds for one in held] == [True]
    assert any(character.isdigit() for character in held[0].figures)


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([cell("original"), cell("fixed", "contained", 1)], "Closing each resource"),
        ([cell("original"), cell("handshaking")], "Monitoring that answers"),
        ([cell("service_groups", "contained", 4)], "Service groups"),
        ([cell("original", hang_night_s=100.0), cell("retry", hang_night_s=200.0)], "Retries make it worse"),
        ([cell("original"), cell("checkout_timeout", crack=2, leaked=Part(count=1, of=80))], "A checkout time-out"),
        ([cell("original", kept=kept(10, 10)), cell("bulkhead", crack=4, kept=kept(10, 10))], "A bulkhead saves"),
    ],
)
def test_every_lesson_can_be_contradicted(cells: list[Cell], says: str) -> None:
    """None is a sentence that no measurement could take away."""
    held = [one for one in lessons.taught(matrix(cells)) if one.says.startswith(says)]
    assert [one.holds for one in held] == [False]
