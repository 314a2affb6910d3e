from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from testbed.journal.events import FacilityNames, GroupWait, ThreadGroup
from testbed.journal.evidence import ConnectionOut, LockWait, Missing, Session, ThreadLocks
from testbed.journal.thread_states import DATABASE, HTTP_CONNECTION, LOCK, RUNNING, SOCKET
from testbed.report.html import wait_graph
from testbed.verdict import who_waits
from testbed.verdict.causes.calls import UNKNOWN_ADDRESS
from testbed.verdict.who_waits import FAILED, Blamed, Cause, Edge, WhoWaits
from tests import hangs
from tests.verdict.test_who_waits import database, dump, evidence, table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testbed.journal.events import Threads
    from testbed.journal.evidence import Evidence
    from testbed.journal.reader import Journal
    from testbed.report.html.wait_graph import WaitGraph

NAMES = FacilityNames(("cf-1", "cf-2"), ("kiosk", "ivr", "partner"), 4, 4)


def graph(journal: Journal) -> WaitGraph:
    """Return the graph of the only moment of a night."""
    (look,) = who_waits.of_journal(journal)
    found = wait_graph.of(look.who_waits, journal.header.facility)
    assert found is not None
    return found


@pytest.mark.fact("O4", "O5", "O6")
def test_the_case_leads_from_the_passengers_to_the_line(tmp_path: Path) -> None:
    """Forty threads are one node, which says what they are and what they wait for; the line has the sentence."""
    found = graph(hangs.lost(tmp_path))
    assert [(node.name, node.kind, node.does) for node in found.nodes] == [
        ("passengers", "", ("12 waiting for an answer",)),
        ("kiosk", "calling system", ("4 threads blocked reading a socket",)),
        ("ivr", "calling system", ("4 threads blocked reading a socket",)),
        ("partner", "calling system", ("4 threads blocked reading a socket",)),
        ("cf-1", "application server", ("4 threads waiting for a connection from the pool",)),
        ("pool of cf-1", "connection pool", ("4 connections lost",)),
        ("lookup/original.py:16", "line of code", ()),
        ("cf-2", "application server", ("4 threads waiting for a connection from the pool",)),
        ("pool of cf-2", "connection pool", ("4 connections lost",)),
    ]
    assert found.root == ("lookup/original.py:16",)
    assert [blamed.threads for node in found.nodes for blamed in node.blamed] == [20]
    assert len(found.edges) == 3 + 3 * 2 + 2 + 2


@pytest.mark.parametrize(
    ("make", "root", "last"),
    [
        (hangs.locked, ("session 7 of database",), Edge("a lock", "session 7 of database", 4, "held by")),
        (hangs.silent, ("link to cf-1",), Edge("link to cf-2", "cf-2", 6, "no answer comes back")),
        (hangs.deadlocked, ("cf-1", "cf-2"), Edge("cf-1", "cf-2", 4, SOCKET)),
    ],
)
def test_every_cause_is_a_node_to_which_an_arrow_leads(
    tmp_path: Path, make: Callable[[Path], Journal], root: tuple[str, ...], last: Edge
) -> None:
    """The holder of a lock, a silent link, and all that wait for one another."""
    found = graph(make(tmp_path))
    assert found.root == root
    assert last in found.edges
    assert {node.name for node in found.nodes if node.blamed} >= set(root)
    assert {edge.target for edge in found.edges} >= set(root)


ROWS = tuple(ConnectionOut(n, "w", 5.0, request_running=True, backend_pid=100 + n) for n in range(4))


def drawn(seen: Evidence, *dumps: Threads) -> WaitGraph:
    """Return the graph of what was seen."""
    found = wait_graph.of(who_waits.of({dump.service: dump for dump in dumps}, seen), NAMES)
    assert found is not None
    return found


def at_line(count: int, state: str, *stack: str) -> ThreadGroup:
    """Return threads whose stack ends at a line; those that wait for a lock stand in a futex."""
    return ThreadGroup(count, state, "lookup", stack, (GroupWait(count, "lock", "futex", "", ""),) if state == LOCK else ())


def with_locks(*waits: LockWait, deadlocks: tuple[tuple[int, ...], ...] = (), missing: tuple[Missing, ...] = ()) -> Evidence:
    """Return evidence with what threads of a server wait for."""
    return replace(evidence(missing=missing), thread_locks=() if missing else (ThreadLocks("cf-1", waits, deadlocks=deadlocks),))


TWO_LOCKS = tuple(LockWait(n, "w", "a.py:5 c", "l", 50 + n // 2, "h", f"a.py:{8 + n // 2}", "certain") for n in range(4))
CROSSED = (
    LockWait(11, "t1", "a.py:5 c", "a", 22, "t2", "a.py:9", "certain"),
    LockWait(22, "t2", "a.py:9 d", "b", 11, "t1", "a.py:4", "certain"),
)
HTTP_STACK = ("a.py:5 call", "requests/sessions.py:3 send")
SYNCS = tuple(Session(row.backend_pid, "flights", "", "active", "IPC: SyncRep", "COMMIT", 5.0) for row in ROWS)


@pytest.mark.parametrize(
    ("seen", "dumps", "root"),
    [
        (
            evidence(),
            [dump(server, at_line(4, RUNNING, "a.py:5 c")) for server in ("cf-1", "cf-2")],
            ("cf-1, a.py:5 c", "cf-2, a.py:5 c"),
        ),
        (evidence(), [dump("kiosk", at_line(4, HTTP_CONNECTION, *HTTP_STACK))], ("HTTP connections of kiosk",)),
        (with_locks(TWO_LOCKS[0]), [dump("cf-1", at_line(4, LOCK, "a.py:5 c"))], ("cf-1, lock taken at a.py:8",)),
        (
            with_locks(*TWO_LOCKS),
            [dump("cf-1", at_line(3, LOCK, "a.py:1 x", "a.py:5 c"), at_line(1, LOCK, "a.py:5 c"))],
            ("cf-1, lock taken at a.py:8",),
        ),
        (
            with_locks(*CROSSED, deadlocks=((11, 22),)),
            [dump("cf-1", at_line(4, LOCK, "a.py:5 c"))],
            ("cf-1, lock taken at a.py:9", "cf-1, lock taken at a.py:4"),
        ),
        (
            with_locks(missing=(Missing("locks of cf-1", "no answer"),)),
            [dump("cf-1", at_line(4, LOCK, "a.py:5 c"))],
            ("a lock in cf-1 that threads take at a.py:5 c",),
        ),
        (evidence(table("cf-1", *ROWS), side=database(*SYNCS)), [dump("cf-1", at_line(4, DATABASE, "a.py:5 c"))], ("standby of database",)),
    ],
    ids=["work", "exhausted", "monitor", "two locks", "deadlock", "unseen", "standby"],
)
def test_every_kind_of_root_is_a_node_to_which_an_arrow_leads(seen: Evidence, dumps: list[Threads], root: tuple[str, ...]) -> None:
    """However the verdict names it: the sentence stands there."""
    found = drawn(seen, *dumps)
    assert found.root == root
    assert {node.name for node in found.nodes if node.blamed} >= set(root)
    assert {edge.target for edge in found.edges} >= set(root)


def test_a_lock_that_sessions_hold_against_one_another_goes_round() -> None:
    """From the database to the lock, and back."""
    waiting = tuple(
        Session(row.backend_pid, "flights", "", "active", "Lock: tuple", "UPDATE", blocked_by=(201 - row.backend_pid,)) for row in ROWS[:2]
    )
    found = drawn(evidence(table("cf-1", *ROWS[:2]), side=database(*waiting)), dump("cf-1", at_line(2, DATABASE, "a.py:5 c"), threads=2))
    assert found.root == ("database",)
    assert {Edge("database", "a lock", 2, "wait"), Edge("a lock", "database", 2, "held by")} <= set(found.edges)


def test_what_was_not_seen_is_at_the_address_that_is_not_known() -> None:
    """As of sockets that nobody looked at."""
    seen = WhoWaits(
        (Edge("kiosk", UNKNOWN_ADDRESS, 4, SOCKET),),
        (Blamed(Cause("unseen", "the sockets that threads read", "?"), 4, ("kiosk",)),),
    )
    found = wait_graph.of(seen, NAMES)
    assert found is not None
    assert found.root == (UNKNOWN_ADDRESS,)


def test_a_cause_to_which_no_way_leads_is_a_node_by_itself() -> None:
    """The root is in the drawing, whatever was seen of the way."""
    cause = Cause("retries", "somebody", "?")
    found = wait_graph.of(WhoWaits((Edge("cf-1", "x", 4, SOCKET),), (Blamed(cause, 4, ("cf-1",)),)), NAMES)
    assert found is not None
    assert found.root == ("somebody",)
    assert [(node.kind, node.does) for node in found.nodes if node.blamed] == [("", ())]


def test_servers_whose_checkouts_fail_are_servers_and_wait_for_nothing() -> None:
    """They go to a host's own address, where nobody listens."""
    failed = Edge("cf-1 and cf-2", "a:19", 62, FAILED)
    wrong = Blamed(Cause("wrong_address", "a:19", "they connect to a:19"), 0, ("cf-1", "cf-2"))
    found = wait_graph.of(WhoWaits((failed,), (wrong,)), NAMES)
    assert found is not None
    assert [(node.kind, node.does) for node in found.nodes] == [("application servers", ("62 checkouts that failed",)), ("another end", ())]
    assert found.root == ("a:19",)


def test_where_nobody_waits_there_is_no_graph() -> None:
    """A facility that works has none."""
    assert wait_graph.of(WhoWaits(), NAMES) is None


def test_the_data_of_a_graph_has_numbers_for_names_and_no_text_without_end() -> None:
    """Control characters are shown."""
    cause = Cause("work", "x\x1b" + "y" * 10_000, "z" * 10_000)
    found = wait_graph.of(WhoWaits((Edge("cf-1", cause.where, 4, "running"),), (Blamed(cause, 4, ("cf-1",)),)), NAMES)
    assert found is not None
    data = found.data()
    assert [(edge["from"], edge["to"], edge["count"]) for edge in data["edges"]] == [(0, 1, 4)]
    assert data["nodes"][1]["name"].startswith("x\\u001b")
    assert len(str(data)) < 2_000
