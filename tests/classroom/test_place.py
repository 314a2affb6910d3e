from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from testbed.classroom.inquiry import place
from testbed.journal.evidence import ConnectionOut, Evidence, OwnAddress, PoolTable, Source
from testbed.verdict.causes.cause import Cause

ORIGINAL = Path("flight_search/lookup/original.py")
EVIDENCE = Evidence("hung", 5.0, 5.0, 0.1, hosts=(OwnAddress("database", "db-1", "127.0.0.1:50447"),))
LOST = Cause("lost", "lookup/original.py:24", "80 of 80 connections were lost in lookup/original.py:24: statement.close() raised")
LOCK = Cause("lock", "session 11216 of database", "a lock on flights that session 11216 holds")
LINK = Cause("no_answer", "link to database", "the link to database at 127.0.0.1:41567: nothing gets through")
ADDRESS = Cause("wrong_address", "127.0.0.1:50447", "cf-1 connects to 127.0.0.1:50447, db-1's own address")
CALLER = Cause("retries", "partner", "partner sent 309 calls")
WORK = Cause("work", "cf-1 and cf-2, lookup/driver_cursor.py:28 lookup_by_city", "work of cf-1 and cf-2 at lookup/driver_cursor.py:28")
DEADLOCK = Cause(
    "deadlock",
    "cf-1, lock taken at flight_search/board.py:58; cf-1, lock taken at flight_search/board.py:45",
    "a deadlock in cf-1: A holds the lock taken at flight_search/board.py:45 and waits at flight_search/board.py:47 for B",
)


@pytest.mark.parametrize(
    ("cause", "right", "wrong"),
    [
        (
            LOST,
            ("lookup/original.py:24", "flight_search/lookup/original.py:24", "original.py, line 24", "in original.py:24 lookup_by_city"),
            ("lookup/original.py:23", "lookup/fixed.py:24", "original.py", "24", "the lookup", "my_original.py:24", "x/original.py:24"),
        ),
        (LOCK, ("session 11216", "the session 11216 of the database", "11216"), ("session 11217", "session", "database", "a.py:11216")),
        (
            LINK,
            ("link to database", "the link to the database", "the network between the servers and the database"),
            ("database", "link", "network", "the network to cf-1", "the database server", "cf-1"),
        ),
        (ADDRESS, ("127.0.0.1:50447", "db-1", "db-1's own address"), ("127.0.0.1:50448", "db-2", "127.0.0.1", "the virtual IP")),
        (CALLER, ("partner", "the partner's retries"), ("kiosk", "cf-1", "")),
        (WORK, ("lookup/driver_cursor.py:28", "driver_cursor.py:28"), ("cf-1", "cf-1 and cf-2", "driver_cursor.py:82")),
        (DEADLOCK, ("board.py:45", "flight_search/board.py:58", "board.py:47"), ("cf-1", "board.py:46")),
    ],
)
def test_a_place_is_named_by_its_line_or_its_words(cause: Cause, right: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    """With the end of a path, or all of it; a number that is in its name says enough, and a word that others have does not."""
    assert [answer for answer in right if not place.names(answer, cause, EVIDENCE)] == []
    assert [answer for answer in wrong if place.names(answer, cause, EVIDENCE)] == []


@pytest.mark.fact("O3")
def test_the_close_that_was_skipped_is_the_same_mistake() -> None:
    """Of the code that failed: the line that raised, or that of the close after it, by the function's source in the evidence."""
    lines = ORIGINAL.read_text().splitlines()
    first = next(number for number, line in enumerate(lines, start=1) if "def lookup_by_city" in line)
    at = {text: next(number for number, line in enumerate(lines, start=1) if line.strip() == text) for text in CLOSES}
    taken = next(number for number, line in enumerate(lines, start=1) if "connection = " in line)
    raised, skipped = at.values()
    function = "FlightSearch.lookup_by_city"
    row = ConnectionOut(
        1,
        "w",
        9.0,
        request_running=False,
        checked_out_at=(f"lookup/original.py:{taken} {function}",),
        error="OperationalError: gone",
        raised_at=(f"lookup/original.py:{raised} {function}",),
    )
    source = Source("lookup/original.py", function, first, "\n".join(lines[first - 1 :]))
    table = PoolTable("cf-1", 4, 0, None, 3, 1, 0, 1, (row,), (source,))
    cause, evidence = Cause("lost", f"lookup/original.py:{raised}", "lost"), replace(EVIDENCE, pools=(table,))
    assert [number for number in range(1, len(lines) + 1) if place.names(f"original.py:{number}", cause, evidence)] == [raised, skipped]
    assert not place.names(f"original.py:{skipped}", cause, None)


CLOSES = ("statement.close()", "connection.close()")


LENGTHS = {"lookup/original.py": 26, "flight_search/app.py": 200}


@pytest.mark.parametrize(
    "answer",
    ["lookup/original.py:24", "original.py, line 24", "flight_search/lookup/original.py:1", "psycopg/waiting.py:210", "the link to db-1"],
)
def test_what_may_be_a_place_is_taken(answer: str) -> None:
    """A line of the service, or of a stack, or a part of the facility; right or wrong."""
    assert place.may_be(answer, ["db-1", "cf-1"], LENGTHS, ["psycopg/waiting.py:210 wait"])


@pytest.mark.parametrize("answer", ["banana", "lookup/original.py:27", "original.py:0", "banana.py:5", "psycopg/waiting.py:211", "app.py"])
def test_what_can_be_no_place_is_not(answer: str) -> None:
    """A word of no meaning here, a file that there is not, and a line after a file's end."""
    assert not place.may_be(answer, ["db-1", "cf-1"], LENGTHS, ["psycopg/waiting.py:210 wait"])
