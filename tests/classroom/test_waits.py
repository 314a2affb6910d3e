from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed.classroom import waits
from testbed.journal import evidence as evidence_file
from testbed.journal.events import EvidenceTaken
from testbed.journal.evidence import ConnectionOut, HeldLock, Missing, Session
from testbed.journal.reader import Journal
from testbed.journal.thread_states import CHECKOUT, DATABASE, SOCKET
from tests.journals import header
from tests.verdict.test_who_waits import LEAKED, RUNNING_ROWS, database, dump, evidence, group, table

if TYPE_CHECKING:
    from testbed.classroom.waits import Waits
    from testbed.journal.events import Threads
    from testbed.journal.evidence import Evidence

NAMES = replace(header().facility, application_servers=("cf-1", "cf-2"), callers=("kiosk", "ivr"))
CALLERS = (dump("kiosk", group(4, SOCKET, ("a:1", 2), ("a:2", 2))), dump("ivr", group(4, SOCKET, ("a:1", 3), ("a:2", 1))))
SERVERS = (dump("cf-1", group(4, CHECKOUT)), dump("cf-2", group(4, CHECKOUT)))
LOST = evidence(table("cf-1", *[LEAKED] * 4), table("cf-2", *[LEAKED] * 4))
HOLDER = Session(7, "flights", "", "idle in transaction", "", "LOCK TABLE flights", 4.0, 4.5)
WAITING = [Session(100 + n, "flights", "", "active", "Lock: relation", "SELECT", blocked_by=(7,)) for n in range(4)]
LOCKED = evidence(
    table("cf-1", *RUNNING_ROWS),
    table("cf-2", *RUNNING_ROWS),
    side=database(HOLDER, *WAITING, locks=(HeldLock(7, "flights", "AccessExclusiveLock", granted=True),)),
)
IDLE_SESSIONS = [Session(100 + n, "flights", "", "idle", "Client: ClientRead", "COMMIT", 5.0) for n in range(4)]
SILENT = evidence(table("cf-1", *RUNNING_ROWS), table("cf-2", *RUNNING_ROWS), side=database(*IDLE_SESSIONS))
IN_DATABASE = (dump("cf-1", group(4, DATABASE)), dump("cf-2", group(4, DATABASE)))


def of(directory: Path, seen: Evidence, *dumps: Threads, text: str | None = None) -> Waits:
    """Return who waits for whom by evidence that was kept; `text`: of its file, in place of what it should be."""
    file = directory / "evidence" / "1.json"
    evidence_file.write(seen, file)
    if text is not None:
        file.write_text(text)
    missing = tuple(f"{each.what}: {each.reason}" for each in seen.missing)
    taken = EvidenceTaken(t_s=5.1, night_s=5.1, why="hung", file="evidence/1.json", took_s=0.1, missing=missing)
    return waits.of_evidence(taken, Journal(directory / "a_night.jsonl", header(facility=NAMES), (*dumps, taken)))


@pytest.mark.parametrize(
    ("seen", "servers", "root", "told"),
    [
        (LOST, SERVERS, "lost", "original"),
        (LOCKED, IN_DATABASE, "lock", "session 7"),
        (SILENT, IN_DATABASE, "no_answer", "link"),
    ],
)
def test_what_is_blamed_is_hidden_until_it_is_revealed(
    seen: Evidence, servers: tuple[Threads, ...], root: str, told: str, tmp_path: Path
) -> None:
    """Whole, the root is marked and named; hidden, nothing is marked, and no text names it."""
    found = of(tmp_path, seen, *CALLERS, *servers)
    assert found.root is not None
    assert found.root.cause.code == root
    whole, hidden = found.whole()["graph"], found.hidden()["graph"]
    assert [told in node["name"] for node in whole["nodes"] if node["root"]] == [True]
    assert told in str(whole)
    assert told not in str(hidden)
    assert not any(node["root"] or node["blamed"] for node in hidden["nodes"])


def test_a_hidden_graph_has_the_same_threads_on_the_same_ways(tmp_path: Path) -> None:
    """Callers, servers and pools under their names, and what all of it leads to under none, whoever waits there."""
    hidden = of(tmp_path, LOST, *CALLERS, *SERVERS).hidden()["graph"]
    names = [node["name"] for node in hidden["nodes"]]
    edges = {(names[edge["from"]], names[edge["to"]]): (edge["count"], edge["how"]) for edge in hidden["edges"]}
    assert edges["passengers", "kiosk"] == (4, "waiting for an answer")
    assert edges["ivr", "cf-1"] == (3, SOCKET)
    assert edges["cf-1", "pool of cf-1"] == (4, CHECKOUT)
    assert edges["pool of cf-1", "? 1"] == edges["pool of cf-2", "? 1"] == (4, "")


def test_a_line_that_lost_fewer_than_another_is_hidden_too(tmp_path: Path) -> None:
    """Although it is not what is blamed in the first place."""
    rows = [LEAKED, *[ConnectionOut(2, "w", 9.0, request_running=False, checked_out_at=("b.py:7 book",), error="")] * 3]
    found = of(tmp_path, evidence(table("cf-1", *rows)), CALLERS[0], dump("cf-1", group(4, CHECKOUT)), dump("cf-2"))
    assert ".py" in str(found.whole())
    assert ".py" not in str(found.hidden())


def test_what_was_not_had_is_told(tmp_path: Path) -> None:
    """By whoever asked for it, once, whether or not anything is hidden."""
    missing = Missing("pool of cf-1", "no answer within 2 s", late=True)
    found = of(tmp_path, replace(LOST, missing=(missing,)), *CALLERS, *SERVERS)
    assert found.hidden()["missing"] == found.whole()["missing"] == ["pool of cf-1: no answer within 2 s"]


def test_evidence_that_cannot_be_read_raises_nothing(tmp_path: Path) -> None:
    """Why is among what is missing, and the graph is what the dumps alone show: nobody is blamed."""
    found = of(tmp_path, LOST, *CALLERS, *SERVERS, text="{")
    assert found.root is None
    assert found.whole()["missing"][0].startswith(f"the evidence {tmp_path / 'evidence' / '1.json'} cannot be read: ")
    assert {node["name"] for node in found.hidden()["graph"]["nodes"]} >= {"kiosk", "cf-1", "pool of cf-1"}


def test_where_nobody_waits_there_is_no_graph(tmp_path: Path) -> None:
    """Nor a root."""
    found = of(tmp_path, evidence(), *(dump(service) for service in ("cf-1", "cf-2", "kiosk", "ivr")))
    assert (found.root, found.whole(), found.hidden()) == (None, *[{"night_s": 5.1, "graph": None, "missing": []}] * 2)
