from __future__ import annotations

import inspect
from dataclasses import replace

import pytest

from flight_search.lookup import driver_cursor, fixed, original
from testbed.journal.evidence import ConnectionOut, Source
from testbed.verdict.causes import loss

TAKEN = ConnectionOut(1, "worker", 3.0, request_running=False, operation="lookup_by_city")
FORGETS = """def report(pool):
    connection = pool.get_connection()
    rows = connection.driver.execute(
        QUERY,
    )
    return rows
"""


def source_of(module: object, file: str) -> Source:
    """Return the lookup of a module, as its pool's table has it."""
    lines, first = inspect.getsourcelines(module.lookup_by_city)  # type: ignore[attr-defined]
    return Source(file, "lookup_by_city", first, "".join(lines))


def line_of(source: Source, text: str) -> int:
    """Return the number of a line in its file, by what it says."""
    return source.first_line + [line.strip().partition("  #")[0] for line in source.text.splitlines()].index(text)


@pytest.mark.fact("O3", "P1")
@pytest.mark.parametrize(
    ("module", "file", "closed"), [(original, "lookup/original.py", "statement"), (driver_cursor, "lookup/driver_cursor.py", "cursor")]
)
def test_a_close_that_raised_is_named_with_the_one_that_it_skipped(module: object, file: str, closed: str) -> None:
    """By file and line, as both stand in the code that ran."""
    source = source_of(module, file)
    taken, raised = line_of(source, "connection = data_source.get_connection()"), line_of(source, f"{closed}.close()")
    row = replace(
        TAKEN,
        checked_out_at=(f"{file}:{taken} lookup_by_city", "endpoints.py:9 flights"),
        error="OperationalError: the connection is closed",
        raised_at=("statement.py:44 close", f"{file}:{raised} lookup_by_city", "endpoints.py:9 flights"),
    )
    found = loss.of(row, [source])
    assert found == loss.Loss(f"{file}:{raised}", "lookup_by_city", "OperationalError", f"{closed}.close()", "connection.close()")
    assert str(found) == f"{file}:{raised}: {closed}.close() raised, and connection.close() was never reached"


def test_an_error_after_which_nothing_closes_says_so() -> None:
    """A statement over several lines is named whole."""
    row = replace(TAKEN, checked_out_at=("a.py:10 report",), error="Error: x", raised_at=("a.py:12 report",))
    found = loss.of(row, [Source("a.py", "report", 9, FORGETS)])
    expected = "a.py:12: rows = connection.driver.execute( QUERY, ) raised, and nothing further down in report checks the connection in"
    assert str(found) == expected


def test_a_request_that_ended_well_and_kept_its_connection_is_a_leak_without_an_error() -> None:
    """Where it was taken is all that there is to name."""
    row = replace(TAKEN, checked_out_at=("seeded_leaks.py:36 after_lookup",))
    expected = "seeded_leaks.py:36, in after_lookup: its connection was never checked in, and the request ended without an error"
    assert str(loss.of(row, [])) == expected


def test_an_error_that_came_from_elsewhere_is_not_blamed_on_the_line_that_took_the_connection() -> None:
    """The function had returned before."""
    row = replace(TAKEN, checked_out_at=("a.py:10 report",), error="KeyError: 'x'", raised_at=("b.py:7 show",))
    assert str(loss.of(row, [])) == "a.py:10, in report: its connection was never checked in, and the request ended with KeyError"


def test_without_its_source_the_line_is_named_all_the_same() -> None:
    """A file may be gone, or be no Python any more."""
    row = replace(TAKEN, checked_out_at=("a.py:10 report",), error="Error: x", raised_at=("a.py:12 report",))
    for sources in ([], [Source("a.py", "report", 9, "")], [Source("a.py", "report", 9, "def (")]):
        assert str(loss.of(row, sources)) == "a.py:12, in report: its connection was never checked in, and the request ended with Error"


def test_what_a_running_request_has_is_not_lost() -> None:
    """Nor is what nobody recorded: it is not guessed."""
    row = replace(TAKEN, checked_out_at=("a.py:10 report",))
    assert loss.losses([replace(row, request_running=True), TAKEN], []) == {}
    assert loss.losses([row, row], []) == {loss.Loss("a.py:10", "report"): 2}


def test_a_close_in_a_finally_is_reached_whatever_was_raised() -> None:
    """In `fixed` the statement's close may raise as well: a connection that were lost there would not have been lost by that."""
    source = source_of(fixed, "lookup/fixed.py")
    taken, raised = line_of(source, "connection = data_source.get_connection()"), line_of(source, "statement.close()")
    at = (f"lookup/fixed.py:{taken} lookup_by_city",)
    found = loss.of(replace(TAKEN, checked_out_at=at, error="Error: x", raised_at=(f"lookup/fixed.py:{raised} lookup_by_city",)), [source])
    assert found == loss.Loss(f"lookup/fixed.py:{raised}", "lookup_by_city", "Error", "statement.close()")
