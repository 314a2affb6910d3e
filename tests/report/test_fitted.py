from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from testbed.report.fitted import Column, FittedTable, lines
from testbed.report.rows import Rows
from testbed.report.terminal import plain_console

WIDTHS = (60, 80, 120, 200)


def shown(drawn: object, width: int) -> str:
    """Return what a terminal of this width shows, of which no line is longer."""
    console = plain_console(width=width)
    with console.capture() as captured:
        console.print(drawn)
    assert max(map(cell_len, captured.get().splitlines())) <= width
    return captured.get()


def pieces(text: str) -> set[str]:
    """Return the pieces of a text that no line may divide: words, divided after their underscores."""
    return {piece for word in text.split() for piece in re.findall(r"[^_]*_+|[^_]+", word)}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", [1, 3, 8, 20])
def test_no_word_of_a_table_is_cut_at_any_width(width: int, count: int) -> None:
    """Title, caption, headings and cells are all there, however many columns there are; each row is found by its name in every part."""
    drawn = FittedTable(
        [Column("variant"), *(Column(f"recovered\nafter_{number}", "right") for number in range(count))],
        title="the_night: how far the crack went on a night of which the title is longer than a terminal is wide, as titles may be",
        caption="made by `testbed matrix --scenario the_night --variant original --variant checkout_timeout` at commit 0123456789abcdef",
    )
    drawn.add_row("sqlalchemy_connection", *(f"unharmed_{number} within the night" for number in range(count)))
    drawn.add_section()
    drawn.add_row("leaked_connections", *(Text(f"contained\n5 x contained {number}", "dim") for number in range(count)))
    output = shown(drawn, width)
    texts = [
        str(drawn.title),
        drawn.caption,
        *(column.heading for column in drawn.columns),
        *(cell.plain for row in drawn.rows for cell in row),
    ]
    assert pieces(" ".join(texts)) <= pieces(output)
    assert output.count("sqlalchemy_") == len(re.findall(r"^ variant\b", output, re.MULTILINE))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_names_of_checks_and_transactions_are_divided_at_their_underscores(width: int) -> None:
    """In a report of three variants, too, in which a column is narrower than the longest names."""
    cells = ["unknown: leaked_connections, errors_per_server", Text("broken: callers_blocked_at"), "held: as the scenario expects"]
    names = ["sqlalchemy_connection", "circuit_breaker_and_call_timeout", "checkout_timeout"]
    rows = Rows("Verdicts", "caller, transaction", [("kiosk reprint_boarding_pass", cells), ("verdict", cells)], apart=True)
    output = "".join(shown(drawn, width) for drawn in rows.tables(names, width))
    texts = [*map(str, cells), *names, rows.title, rows.heading, *(name for name, _ in rows.rows)]
    assert pieces(" ".join(texts)) <= pieces(output)


@given(st.text(alphabet="ab_ \n界", max_size=60), st.integers(2, 12))
def test_lines_have_every_character_but_the_spaces_between_words(text: str, width: int) -> None:
    """In order, and none is wider than asked for."""
    found = lines(Text(text), width)
    assert "".join(line.plain for line in found).replace(" ", "") == text.replace(" ", "").replace("\n", "")
    assert all(cell_len(line.plain) <= width for line in found)


def test_a_word_that_fits_a_line_is_not_divided() -> None:
    """It begins the next line."""
    assert [line.plain for line in lines(Text("grounded (restarted_by_hand)"), 20)] == ["grounded", "(restarted_by_hand)"]
    assert [line.plain for line in lines(Text("grounded (restarted_by_hand)"), 12)] == ["grounded", "(restarted_", "by_hand)"]


def test_a_word_of_a_million_characters_is_cut_into_lines_of_its_width() -> None:
    """Each character is looked at once: a table with an endless text of a journal is drawn before its reader has gone."""
    cut = lines(Text("x" * 1_000_000), 40)
    assert [len(line) for line in cut] == [40] * 25_000
    assert [line.plain for line in lines(Text("世界" * 3), 5)] == ["世界", "世界", "世界"]
