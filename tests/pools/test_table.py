"""The kept table: its lines, its page, and what they must agree with."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import UsageError
from testbed.pools import families, pgbouncer, python_services, situations, table
from testbed.pools.cell import Cell, Measurement, Result

ROOM = Path(table.__file__).parent
BACK, REFUSES = Result("comes back", errors=3, well_after_s=1.0), Result("refuses", errors=50, refused_after_s=2.0, lost=5)
CELL = Cell("psycopg_pool_sync", "silence", "careful", check=False)


def test_the_kept_table_has_every_cell_of_every_service() -> None:
    """And no other: a service that is added to the folder is measured, and one that is removed goes; other languages' may be missing."""
    kept = {each.cell for each in table.read(ROOM / table.FILE)}
    assert kept <= set(families.cells(families.names(), families.SITUATIONS, families.MISTAKES))
    here = (*python_services.names(), *pgbouncer.names())
    assert kept >= set(families.cells(here, families.SITUATIONS, families.MISTAKES))


def test_the_page_has_the_kept_table() -> None:
    """As it is made of the lines."""
    page = (ROOM / table.PAGE).read_text(encoding="utf-8")
    assert page.partition(table.BEGIN)[2].partition(table.END)[0].strip() == table.markdown(table.read(ROOM / table.FILE))


def test_each_situation_is_done_in_a_way_and_has_a_title() -> None:
    """In the order in which they are measured."""
    assert tuple(situations.ACTS) == tuple(table.TITLES) == families.SITUATIONS


def test_repetitions_add_up_on_the_same_versions_only() -> None:
    """What was measured on other versions is replaced."""
    old = Measurement(CELL, (BACK,), {"python": "3.11"})
    assert table.merged([old], [Measurement(CELL, (REFUSES,), {"python": "3.11"})]) == [
        Measurement(CELL, (BACK, REFUSES), {"python": "3.11"})
    ]
    new = Measurement(CELL, (REFUSES,), {"python": "3.12"})
    assert table.merged([old], [new]) == [new]


@pytest.mark.parametrize(
    ("results", "text"),
    [
        ((BACK, BACK), "comes back after 1 s, 3 errors"),
        ((Result("comes back", errors=0, well_after_s=0.0),), "well at once"),
        ((REFUSES,), "**refuses** after 2.0 s, 50 errors, 5 lost"),
        ((Result("refuses", errors=50, refused_after_s=0.01),), "**refuses** at once, 50 errors"),
        ((REFUSES, REFUSES, BACK), "**refuses** 2 of 3 (else comes back) after 2.0 s, 50 errors, 5 lost"),
        ((Result("hangs", errors=0, hanging=55),), "**hangs**, 55 hanging"),
        ((Result("unknown", why="no Java"),), "**unknown**"),
    ],
)
def test_a_cell_in_words(results: tuple[Result, ...], text: str) -> None:
    """The way that came most, how often where others came, and medians of what was counted."""
    assert table.summary(results) == text


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    """And the page gets the table between its two marks."""
    (tmp_path / table.PAGE).write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n", encoding="utf-8")
    measurement = Measurement(CELL, (BACK,), {"python": "3.11"})
    table.keep(tmp_path, [measurement])
    assert table.read(tmp_path / table.FILE) == [measurement]
    page = (tmp_path / table.PAGE).read_text(encoding="utf-8")
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "comes back after 1 s, 3 errors" in page
    assert "old" not in page


def test_a_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    """With its file and number."""
    (tmp_path / table.FILE).write_text("{}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"measured\.jsonl, line 1: Field required; remove it, and measure again"):
        table.read(tmp_path / table.FILE)


def test_a_pool_that_is_unknown_is_refused() -> None:
    """With all that there are."""
    with pytest.raises(UsageError, match=r"no pool 'c3p0'; allowed: asyncpg_pool, "):
        families.of("c3p0")
