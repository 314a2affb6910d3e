"""What is told of a trial, from hand-written journals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from testbed.experiments.trial import told
from testbed.journal import evidence
from testbed.journal.events import EvidenceTaken, Response, Threads
from testbed.journal.evidence import DatabaseSide, Evidence, Session
from testbed.verdict import judge
from testbed.verdict.result import Result
from tests.journals import NightBuilder, contained_night, hung_night

if TYPE_CHECKING:
    from pathlib import Path

ERROR = '{"transaction":"search","detail":"http://127.0.0.1:40991/flights: 500: terminating connection"}'


def lines(night: NightBuilder, path: Path | None = None) -> list[str]:
    """Return what is told of a night; `path`: where its journal lies."""
    journal = night.journal()
    journal = journal if path is None else replace(journal, path=path)
    return list(told.lines(Result(journal, judge.judge(journal), 1.0)))


def test_what_was_answered_before_the_fault_stands_beside_what_became_of_the_rest() -> None:
    """With how often each error came, whichever process it came from."""
    night = contained_night()
    events = [event for event in night.events if isinstance(event, Response) and event.ended == "failed"]
    for number, event in enumerate(events):
        night.events[night.events.index(event)] = replace(event, error=ERROR.replace("40991", f"4099{number % 2}"))
    before, fault, since, outcome, *_ = lines(night)
    assert before.startswith("before:  1 sent: 1 answered (half within 10 ms, all within 10 ms), 0 failed, 0 never answered")
    assert fault == "fault:   switchover took 0.1 s: the database runs on db-2"
    assert since.startswith("since:   17 sent: 9 answered")
    assert since.endswith("8 failed, 0 never answered; 8 times: /flights: 500: terminating connection")
    assert outcome.startswith("outcome: contained: ")


def test_requests_that_never_came_back_and_the_threads_at_the_last_dump_are_told() -> None:
    """The innermost call first; and nothing of the callers, which are not what was tried."""
    found = lines(hung_night())
    assert any(line.startswith("outcome: grounded: ") for line in found)
    assert " 0 never answered" not in found[2]
    assert "threads of cf-1: 4 at a.py:2 lookup_by_city ← main.py:1 main" in found
    assert not any("threads of kiosk" in line for line in found)


def test_threads_whose_calls_no_dump_shows_are_told_as_such() -> None:
    """And not as standing at nothing."""
    night = hung_night()
    dump = next(event for event in night.events if isinstance(event, Threads) and event.service == "cf-1")
    night.events[night.events.index(dump)] = replace(dump, groups=tuple(replace(group, stack=()) for group in dump.groups))
    assert "threads of cf-1: 4 whose calls were not seen" in lines(night)


def test_sessions_are_counted_by_their_state_as_the_server_of_the_database_saw_them_last(tmp_path: Path) -> None:
    """Those of the service alone; and without evidence they are unknown, and not none."""
    assert "sessions: unknown: no evidence was taken" in lines(contained_night())
    sessions = [
        Session(1, "flights", "", "idle", "", ""),
        Session(2, "flights", "", "idle", "", ""),
        Session(3, "postgres", "", "active", "", ""),
    ]
    side = DatabaseSide("database", "db-2", "127.0.0.1:5432", "17", 100, tuple(sessions))
    night = contained_night()
    evidence.write(Evidence("asked", 5.2, 79_720.0, 0.1, databases=(side,)), tmp_path / "1.json")
    night.events.append(EvidenceTaken(**night.at(5.2), why="asked", file="1.json", took_s=0.1))
    assert "sessions in pg_stat_activity of db-2: 2 idle" in lines(night, tmp_path / "a_night.jsonl")
