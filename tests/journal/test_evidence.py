from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pydantic import TypeAdapter

from testbed.errors import JournalError
from testbed.journal import evidence
from testbed.journal.events import EvidenceTaken
from testbed.journal.evidence import (
    About,
    Calls,
    ConnectionOut,
    DatabaseSide,
    EventLoop,
    Evidence,
    Heartbeats,
    HeldLock,
    Holder,
    HttpPool,
    Listener,
    Listeners,
    LockWait,
    Missing,
    OwnAddress,
    PoolTable,
    Route,
    RunningCall,
    SentCalls,
    Session,
    Source,
    ThreadLocks,
)

if TYPE_CHECKING:
    from pathlib import Path

LATER = ("listeners", "event_loops", "thread_locks")
LOST = ConnectionOut(
    7, "worker", 2.5, False, 12, 100, "lookup_by_city", ("lookup/original.py:16 lookup_by_city",), "OperationalError: dead"
)
SOURCE = Source("lookup/original.py", "lookup_by_city", 14, "def lookup_by_city() -> None:\n    ...\n")
ALL = Evidence(
    "hung",
    10.0,
    82_800.0,
    0.5,
    (PoolTable("cf-1", 40, 0, None, 0, 40, 40, 40, (LOST,), (SOURCE,), 3, "OperationalError: refused"),),
    (About("cf-1", 11, {"python": "3.11"}, {"psycopg": "3.2"}, {"psycopg": "3.2"}, {"pool_size": 40, "database": "host=db"}),),
    (
        DatabaseSide(
            "database", "db-2", "127.0.0.1:5432", "18.0", 100, (Session(1, "flights", "", "active", "Lock: relation", "SELECT 1", 1.0),)
        ),
    ),
    (Route("virtual IP", "127.0.0.1:1", "127.0.0.1:2", True),),
    {"cf-1": "127.0.0.1:3"},
    (Missing("pool of cf-2", "no answer within 2 s"),),
    (OwnAddress("database", "db-1", "127.0.0.1:4"),),
    (Listeners("cf-1", (Listener("127.0.0.1:3", 5, 4),), is_stopped=True),),
    (EventLoop("cf-1", ("flight_search/app.py:1 main", "lib/selectors.py:9 select")),),
    (
        ThreadLocks(
            "cf-1",
            (LockWait(7, "worker", "a.py:3 f", "lock", 8, "other", "b.py:4", "certain"), LockWait(9, "third", "a.py:3 f", "lock")),
            (Holder(8, "other", "running", "book", ("b.py:5 g",), "sleep", "clock_nanosleep"),),
            ((7, 8),),
            ("c.py: changed",),
        ),
    ),
    (Heartbeats("db-1", "db-2", "heartbeats", 1.0, 3, 100, 2, 2.5),),
)


def test_evidence_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Every record and every value of it."""
    file = tmp_path / "original" / "evidence" / "1.json"
    evidence.write(ALL, file)
    assert evidence.read(file) == ALL
    assert file.stat().st_mode & 0o022 == 0


def test_evidence_from_before_connects_were_counted_is_read(tmp_path: Path) -> None:
    """As if none had failed, and no host were known."""
    evidence.write(ALL, tmp_path / "1.json")
    older = json.loads((tmp_path / "1.json").read_text())
    del older["hosts"], older["pools"][0]["connects_failed"], older["pools"][0]["connect_error"]
    (tmp_path / "older.json").write_text(json.dumps(older))
    pools = tuple(replace(table, connects_failed=0, connect_error="") for table in ALL.pools)
    assert evidence.read(tmp_path / "older.json") == replace(ALL, pools=pools, hosts=())


def test_evidence_from_before_locks_and_listeners_were_looked_at_is_read(tmp_path: Path) -> None:
    """It has none of them, and all of the rest."""
    evidence.write(ALL, tmp_path / "1.json")
    older = {name: value for name, value in json.loads((tmp_path / "1.json").read_text()).items() if name not in LATER}
    (tmp_path / "older.json").write_text(json.dumps(older))
    assert evidence.read(tmp_path / "older.json") == replace(ALL, listeners=(), event_loops=(), thread_locks=())


def test_a_listen_queue_is_full_with_one_more_than_its_backlog() -> None:
    """As Linux counts; where the kernel does not tell the backlog, nothing is said."""
    assert [Listener("a:1", queued, backlog).is_full for queued, backlog in ((4, 4), (5, 4), (5, None))] == [False, True, False]


def test_an_older_file_is_read_without_what_it_did_not_have(tmp_path: Path) -> None:
    """Who sent the calls, and who has a caller's connections: nobody asked then."""
    file = tmp_path / "1.json"
    sent = Calls((RunningCall(12, "lookup_by_city", 2.5, "partner", 3),), (SentCalls("partner", 9, 2),))
    full = replace(ALL, pools=(replace(ALL.pools[0], calls=sent),), services=(replace(ALL.services[0], connections=HttpPool(6, (LOST,))),))
    evidence.write(full, file)
    assert evidence.read(file) == full
    older = json.loads(file.read_text())
    del older["pools"][0]["calls"], older["services"][0]["connections"]
    file.write_text(json.dumps(older))
    assert evidence.read(file) == ALL


def test_evidence_of_before_there_were_heartbeats_is_read(tmp_path: Path) -> None:
    """Whoever has kept an older file can still judge by it; it tells of no heartbeats."""
    evidence.write(ALL, tmp_path / "1.json")
    content = json.loads((tmp_path / "1.json").read_text())
    del content["heartbeats"]
    (tmp_path / "2.json").write_text(json.dumps(content))
    assert evidence.read(tmp_path / "2.json") == replace(ALL, heartbeats=())


def test_evidence_is_never_written_over(tmp_path: Path) -> None:
    """An earlier moment is evidence, too."""
    evidence.write(ALL, tmp_path / "1.json")
    with pytest.raises(FileExistsError):
        evidence.write(ALL, tmp_path / "1.json")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"why": "hung"}', b'{"why": "bored", "t_s": 1, "night_s": 1, "took_s": 1}', b"\xff\xfe"])
def test_what_is_no_evidence_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    """One message, whatever is wrong with it."""
    file = tmp_path / "1.json"
    file.write_bytes(content)
    with pytest.raises(JournalError, match=r"the evidence .*1\.json cannot be read: \w"):
        evidence.read(file)


def test_a_pipe_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    """Neither is waited for."""
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "nothing", "\0"):
        with pytest.raises(JournalError, match="cannot be read"):
            evidence.read(tmp_path / name)


def test_locks_are_read_too(tmp_path: Path) -> None:
    """A lock that is waited for is one that is not granted."""
    side = DatabaseSide("database", "db-1", "a:1", "18.0", 10, locks=(HeldLock(1, "flights", "AccessShareLock", granted=False),))
    evidence.write(Evidence("asked", 1.0, 1.0, 0.1, databases=(side,)), tmp_path / "1.json")
    assert not evidence.read(tmp_path / "1.json").databases[0].locks[0].granted


def changed(file: Path, *way: str | int, value: object) -> Path:
    """Write `ALL` with one value of it changed, and return the file."""
    evidence.write(ALL, file)
    content = json.loads(file.read_text())
    part = content
    for step in way[:-1]:
        part = part[step]
    part[way[-1]] = value
    file.write_text(json.dumps(content))
    return file


OUT = {"connection": 1, "thread": "w", "out_s": 1.0, "request_running": True}
SETTINGS = ("services", 0, "settings")
ROW = ("pools", 0, "connections_out", 0)
HOLDER = ("thread_locks", 0, "holders", 0)


@pytest.mark.parametrize(
    ("way", "value", "told"),
    [
        (("pools", 0, "size"), -10, r"pools\.0\.size: .* greater than or equal to 0, found -10"),
        (("pools", 0, "size"), 2**63 - 1, r"pools\.0\.size: .* less than"),
        (("pools", 0, "size"), 0, r"pools\.0\.out: there are 40; allowed: at most 0"),
        (("pools", 0, "out"), 41, r"pools\.0\.out: there are 41; allowed: at most 40"),
        (("pools", 0, "max_overflow"), -2, r"pools\.0\.max_overflow: .*, found -2"),
        (("pools", 0, "connections_out"), [OUT] * 41, "41"),
        ((*ROW, "out_s"), float("nan"), r"out_s: .* finite number, found nan"),
        ((*ROW, "out_s"), float("inf"), r"out_s: .* finite number, found inf"),
        ((*ROW, "out_s"), -5.0, r"out_s: .*, found -5\.0"),
        ((*ROW, "checked_out_at"), [f"a.py:{'9' * 5000} f"], r"checked_out_at\.0: .* at most 9 digits"),
        (("pools", 0, "sources", 0, "text"), f"x = a{'.b' * 90_000}", r"sources\.0\.text: .* cannot be parsed"),
        (("pools", 0, "sources", 0, "text"), f"x = a{'+b' * 90_000}", r"sources\.0\.text: .* cannot be parsed"),
        ((*SETTINGS, "flight_search_urls"), None, r"services\.0\.settings: .*flight_search_urls is None"),
        ((*SETTINGS, "flight_search_urls"), ["http://["], r"services\.0\.settings: .*flight_search_urls is \['http://\['\]"),
        ((*SETTINGS, "flight_search_urls"), ["http://a:b"], r"flight_search_urls is"),
        ((*SETTINGS, "flight_search_urls"), "http://a", r"flight_search_urls is 'http://a'; allowed: a list"),
        ((*SETTINGS, "call_read_timeout_s"), "6", r"call_read_timeout_s is '6'; allowed: a number"),
        ((*SETTINGS, "call_deadline_s"), True, r"call_deadline_s is True; allowed: a number"),
        ((*SETTINGS, "call_read_timeout_s"), float("nan"), r"call_read_timeout_s is nan; allowed: finite"),
        ((*SETTINGS, "database"), ["host=a"], r"database is \['host=a'\]"),
        (("databases", 0, "sessions", 0, "state_s"), -3600.0, r"sessions\.0\.state_s: "),
        (("heartbeats", 0, "received"), -5, r"heartbeats\.0\.received: "),
        (("heartbeats", 0, "longest_gap_s"), float("nan"), r"heartbeats\.0\.longest_gap_s: "),
        ((*HOLDER, "kind"), "magic", r"holders\.0\.kind: "),
        ((*HOLDER, "state"), "magic", r"holders\.0\.state: .*allowed: .*idle.*, found 'magic'"),
        (("took_s",), float("nan"), r"took_s: .* finite number"),
        (("t_s",), -1.0, r"t_s: "),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(tmp_path: Path, way: tuple[str | int, ...], value: object, told: str) -> None:
    """In one sentence, so that whoever judges by evidence never tells of it, nor stumbles over it."""
    file = changed(tmp_path / "1.json", *way, value=value)
    with pytest.raises(JournalError, match=rf"1\.json cannot be read: .*{told}") as refused:
        evidence.read(file)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("field", ["pools", "services", "databases", "hosts", "listeners", "event_loops", "thread_locks", "heartbeats"])
def test_a_part_that_told_of_itself_twice_is_refused(tmp_path: Path, field: str) -> None:
    """Its numbers would count double."""
    file = changed(tmp_path / "1.json", field, value=twice(field))
    with pytest.raises(JournalError, match=rf"cannot be read: {field}\.1: .+ is there twice; allowed: once"):
        evidence.read(file)


def twice(field: str) -> list[object]:
    """Return the parts of one field of `ALL` as they are written, each twice."""
    return list(TypeAdapter(Evidence).dump_python(ALL, mode="json")[field]) * 2


def test_a_caller_has_no_more_connections_out_than_it_has(tmp_path: Path) -> None:
    """Of them all together."""
    file = changed(tmp_path / "1.json", "services", 0, "connections", value={"size": 1, "connections_out": [OUT, OUT]})
    with pytest.raises(JournalError, match=r"services\.0\.connections\.connections_out: there are 2; allowed: at most 1"):
        evidence.read(file)


def test_a_pool_without_a_limit_may_have_any_number_out(tmp_path: Path) -> None:
    """As `max_overflow` -1 says; and what is no Python any more is no mistake, nor a clock that was set back by a second."""
    assert evidence.read(changed(tmp_path / "1.json", "pools", 0, value=unlimited())).pools[0].out == 99
    assert (
        evidence.read(changed(tmp_path / "2.json", "pools", 0, "sources", 0, "text", value="def (:")).pools[0].sources[0].text == "def (:"
    )
    assert evidence.read(changed(tmp_path / "3.json", "databases", 0, "sessions", 0, "state_s", value=-1.0)).databases


def unlimited() -> object:
    """Return the table of a pool without a limit as it is written."""
    return TypeAdapter(PoolTable).dump_python(replace(ALL.pools[0], max_overflow=-1, out=99), mode="json")


TAKEN = EvidenceTaken(why="hung", file="1.json", took_s=0.5, t_s=10.75, night_s=82_890.0)


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        (replace(TAKEN, why="end"), "why: it is 'hung', and 'end' in the event"),
        (replace(TAKEN, took_s=0.75), r"took_s: it is 0\.5 s, and 0\.75 s in the event"),
        (replace(TAKEN, t_s=9.5), r"t_s: it is 10 s, later than the event that names it, at 9\.5 s"),
        (replace(TAKEN, night_s=82_000.0), r"night_s: it is 82800 s, later than the event that names it, at 82000 s"),
    ],
)
def test_evidence_of_another_moment_than_its_event_is_refused(tmp_path: Path, taken: EvidenceTaken, told: str) -> None:
    """As when somebody has put the file of another run there."""
    evidence.write(ALL, tmp_path / "1.json")
    assert evidence.read(tmp_path / "1.json", TAKEN) == ALL
    with pytest.raises(JournalError, match=told):
        evidence.read(tmp_path / "1.json", taken)
