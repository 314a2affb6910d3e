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
    assert found == loss.Loss(
        f"{file}:{raised}", "lookup_by_city", "OperationalError", f"{closed}.close()", "connection.close()", str(taken)
    )
    assert str(found) == f"{file}:{raised}: {closed}.close() raised, and connection.close() was never reached"


def test_where_no_close_is_skipped_both_lines_are_named() -> None:
    """That nothing checks the connection in is not said: it may be done in many ways. A statement over several lines is named whole."""
    row = replace(TAKEN, checked_out_at=("a.py:10 report",), error="Error: x", raised_at=("a.py:12 report",))
    found = loss.of(row, [Source("a.py", "report", 9, FORGETS)])
    assert str(found) == (
        "a.py:12, in report: rows = connection.driver.execute( QUERY, ) raised Error, "
        "and the connection taken at line 10 was never checked in"
    )


def test_a_request_that_ended_well_and_kept_its_connection_is_a_leak_without_an_error() -> None:
    """Where it was taken is all that there is to name."""
    row = replace(TAKEN, checked_out_at=("seeded_leaks.py:36 after_lookup",))
    expected = "seeded_leaks.py:36, in after_lookup: its connection was never checked in, and the request ended without an error"
    assert str(loss.of(row, [])) == expected


def test_an_error_that_came_from_elsewhere_is_not_blamed_on_the_line_that_took_the_connection() -> None:
    """The function had returned before."""
    row = replace(TAKEN, checked_out_at=("a.py:10 report",), error="KeyError: 'x'", raised_at=("b.py:7 show",))
    assert str(loss.of(row, [])) == "a.py:10, in report: its connection was never checked in, and the request ended with KeyError"


DEEP = "def report(pool):\n    connection = pool.get()\n    work()\n    x = "


@pytest.mark.parametrize(
    "text",
    [
        "",
        "def (",
        "def report(pool):\n    \0\n",
        "\ud800",
        f"{DEEP}{'(' * 100_000}",
        f"{DEEP}{'-' * 100_000}1",
        f"{DEEP}{'a.' * 100_000}a",
        f"{DEEP}1\n    if a:\n        pass\n" + "    elif a:\n        pass\n" * 20_000,
    ],
    ids=["empty", "broken", "null", "surrogate", "brackets", "signs", "attributes", "branches"],
)
def test_without_its_source_the_lines_are_named_all_the_same(text: str) -> None:
    """A file may be gone, or be no Python any more, or be nested more deeply than can be parsed."""
    row = replace(TAKEN, checked_out_at=("a.py:10 report",), error="Error: x", raised_at=("a.py:12 report",))
    for sources in ([], [Source("a.py", "report", 9, text)]):
        found = loss.of(row, sources)
        assert found == loss.Loss("a.py:12", "report", "Error", taken="10")
        assert (
            str(found) == "a.py:12, in report: the request ended with Error here, and the connection taken at line 10 was never checked in"
        )


def test_a_line_whose_number_has_no_end_is_named_all_the_same() -> None:
    """Python reads no number of five thousand digits."""
    line = "1" * 5_000
    row = replace(TAKEN, checked_out_at=(f"a.py:{line} report",), error="Error: x", raised_at=(f"a.py:{line} report",))
    assert loss.of(row, [Source("a.py", "report", 9, FORGETS)]) == loss.Loss(f"a.py:{line}", "report", "Error", taken=line)


def test_a_source_that_python_warns_of_is_read_quietly() -> None:
    """As of an escape that it does not know: it is the service's, and warnings are errors here."""
    assert skipped("conn = pool.get()  #T", 'conn.execute("\\d")  #R', "conn.close()") == "conn.close()"


def skipped(*body: str) -> str:
    """Return the close that is said to be skipped in a function with this body; a connection is taken at #T, and #R raises."""
    text = "".join(f"{line}\n" for line in ("def lookup(city):", *(f"    {line}" for line in body)))
    taken, raised = (next(number for number, line in enumerate(text.splitlines(), 1) if mark in line) for mark in ("#T", "#R"))
    row = replace(TAKEN, checked_out_at=(f"a.py:{taken} lookup",), error="Error: x", raised_at=(f"a.py:{raised} lookup",))
    found = loss.of(row, [Source("a.py", "lookup", 1, text)])
    assert found is not None
    assert found.at == f"a.py:{raised}"
    assert bool(found.skipped) == ("was never reached" in str(found))
    assert bool(found.skipped) != (f"and the connection taken at line {taken} was never checked in" in str(found))
    return found.skipped


@pytest.mark.parametrize(
    ("body", "close"),
    [
        (("conn: Connection = engine.connect()  #T", "st.close()  #R", "conn.close()"), "conn.close()"),
        (("conn = pool.getconn()  #T", "st.close()  #R", "pool.putconn(conn)"), "pool.putconn(conn)"),
        (("conn = await pool.acquire()  #T", "await st.close()  #R", "await pool.release(conn)"), "await pool.release(conn)"),
        (("conn = pool.get()  #T", "if city:", "    st.close()  #R", "conn.close()"), "conn.close()"),
        (("conn = pool.get()  #T", "try:", "    return rows()", "finally:", "    st.close()  #R", "    conn.close()"), "conn.close()"),
        (("conn = pool.get()  #T", "try:", "    st.close()  #R", "finally:", "    log()", "conn.close()"), "conn.close()"),
    ],
)
def test_a_close_further_down_on_the_same_way_was_skipped(body: tuple[str, ...], close: str) -> None:
    """By whatever name a pool has for it."""
    assert skipped(*body) == close


@pytest.mark.parametrize(
    "body",
    [
        ("conn, st = open_both()  #T", "st.close()  #R", "conn.close()"),
        ("if (conn := pool.get()):  #T", "    st.close()  #R", "    conn.close()"),
        ("self.conn = pool.get()  #T", "st.close()  #R", "self.conn.close()"),
        ("a = pool.get()  #T", "conn = a", "st.close()  #R", "conn.close()"),
        ("conn = pool.get().cursor()  #T", "st.close()  #R", "conn.close()"),
        ("conn = pool.get()  #T", "st.close()  #R", "conn = open('f')", "conn.close()"),
        ("conn = pool.get()  #T", "st.close()  #R", "import conn", "conn.close()"),
        ("if city:", "    conn = pool.get()  #T", "st.close()  #R", "conn.close()"),
    ],
    ids=["tuple", "walrus", "attribute", "alias", "cursor", "another", "module", "branch"],
)
def test_where_a_name_may_stand_for_something_else_no_close_is_named(body: tuple[str, ...]) -> None:
    """A close by that name may be a file's."""
    assert not skipped(*body)


@pytest.mark.parametrize(
    "body",
    [
        ("conn = pool.get()  #T", "conn.close()  #R", "conn.close()"),
        ("conn = pool.get()  #T", "st.close()  #R"),
        ("conn = pool.get()  #T", "a(); b()  #R", "conn.close()"),
        ("conn = pool.get()  #T", "if city:", "    st.close()  #R", "    give(conn)", "else:", "    conn.close()"),
        ("conn = pool.get()  #T", "if city:", "    st.close()  #R", "    return", "conn.close()"),
        ("conn = pool.get()  #T", "return st.close()  #R", "conn.close()"),
        ("conn = pool.get()  #T", "st.close()  #R", "if city:", "    conn.close()"),
        ("conn = pool.get()  #T", "try:", "    st.close()  #R", "except OSError:", "    conn.close()", "    raise"),
        ("conn = pool.get()  #T", "try:", "    st.close()  #R", "    conn.close()", "except OSError:", "    conn.close()", "    raise"),
        ("conn = pool.get()  #T", "try:", "    if a:", "        st.close()  #R", "        conn.close()", "finally:", "    give(conn)"),
        ("conn = pool.get()  #T", "try:", "    a()", "except OSError:", "    st.close()  #R", "    conn.close()"),
        ("conn = pool.get()  #T", "for row in rows:", "    row.show()  #R", "    conn.close()"),
        ("conn = pool.get()  #T", "with suppress(OSError):", "    st.close()  #R", "conn.close()"),
        ("conn = pool.get()  #T", "def later():", "    st.close()  #R", "    conn.close()"),
    ],
    ids=[
        *("itself", "none", "two", "else", "returns", "return", "perhaps", "handler", "both"),
        *("finally", "in a handler", "loop", "with", "later"),
    ],
)
def test_where_the_way_is_not_plain_no_close_is_named(body: tuple[str, ...]) -> None:
    """It may have been reached, or never been on that way."""
    assert not skipped(*body)


def test_the_head_of_a_statement_with_others_in_it_is_not_quoted() -> None:
    """All of it would be."""
    text = "def report(pool):\n    connection = pool.get()\n    match connection.kind():\n        case 1:\n            pass\n"
    row = replace(TAKEN, checked_out_at=("a.py:10 report",), error="Error: x", raised_at=("a.py:11 report",))
    assert loss.of(row, [Source("a.py", "report", 9, text)]) == loss.Loss("a.py:11", "report", "Error", taken="10")


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
    assert found == loss.Loss(f"lookup/fixed.py:{raised}", "lookup_by_city", "Error", "statement.close()", taken=str(taken))
