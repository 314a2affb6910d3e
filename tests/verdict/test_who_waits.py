from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from testbed.journal import evidence as evidence_file
from testbed.journal.events import EvidenceTaken, FacilityNames, GroupWait, ThreadGroup, Threads
from testbed.journal.evidence import (
    About,
    Calls,
    ConnectionOut,
    DatabaseSide,
    Evidence,
    HeldLock,
    Listeners,
    Missing,
    PoolTable,
    Route,
    RunningCall,
    Session,
)
from testbed.journal.reader import Journal
from testbed.journal.thread_states import CHECKOUT, DATABASE, IDLE, LOCK, RUNNING, SOCKET
from testbed.report import waits
from testbed.report.html import wait_graph
from testbed.verdict import who_waits
from testbed.verdict.causes.cause import Cause
from testbed.verdict.who_waits import Blamed, Edge, Look, WhoWaits
from tests.journals import header

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.events import Event

ADDRESSES = {"cf-1": "a:1", "cf-2": "a:2", "kiosk": "a:3", "ivr": "a:4"}
VIRTUAL_IP = Route("virtual IP of database", "a:10", "a:20", listens=True)
LEAKED = ConnectionOut(1, "w", 9.0, request_running=False, checked_out_at=("lookup/original.py:16 lookup_by_city",), error="Error: x")


def group(count: int, state: str, *peers: tuple[str, int], kind: str = "socket") -> ThreadGroup:
    """Return request threads that do the same, and the other ends that they wait for."""
    return ThreadGroup(
        count, state, "lookup_by_city", ("app.py:1 f", "socket.py:9 recv"), tuple(GroupWait(n, kind, "recv", p, "") for p, n in peers)
    )


def dump(service: str, *groups: ThreadGroup, threads: int = 4, error: str | None = None) -> Threads:
    """Return a dump of a service."""
    return Threads(t_s=5.0, night_s=5.0, service=service, file="", request_threads=threads, groups=groups, error=error)


def about(service: str, **settings: object) -> About:
    """Return what a service is."""
    return About(service, 1, {}, {}, {}, {"database": "host=a port=10 user=flights", **settings})


def table(server: str, *rows: ConnectionOut, size: int = 4) -> PoolTable:
    """Return the pool of a server, with these connections out."""
    leaked = sum(not row.request_running for row in rows)
    return PoolTable(server, size, 0, None, size - len(rows), len(rows), 4, leaked, rows)


def evidence(*pools: PoolTable, side: DatabaseSide | None = None, missing: tuple[Missing, ...] = ()) -> Evidence:
    """Return the evidence of a facility with two servers and two callers."""
    services = tuple(about(service) for service in ADDRESSES if all(one.what != f"what {service} is" for one in missing))
    sides = () if side is None else (side,)
    return Evidence("hung", 5.0, 5.0, 0.1, pools, services, sides, (VIRTUAL_IP,), ADDRESSES, missing)


def database(*sessions: Session, locks: tuple[HeldLock, ...] = ()) -> DatabaseSide:
    """Return what the server behind the virtual IP tells."""
    return DatabaseSide("database", "db-1", "a:20", "18", 100, sessions, locks)


def found(evidence: Evidence | None, *dumps: Threads) -> WhoWaits:
    """Return who waits for whom."""
    return who_waits.of({dump.service: dump for dump in dumps}, evidence)


def root(evidence: Evidence | None, *dumps: Threads) -> str:
    """Return what most threads wait for, in a line."""
    worst = found(evidence, *dumps).root
    assert worst is not None
    return f"{worst.cause.code}: {worst}"


CALLERS = (dump("kiosk", group(4, SOCKET, ("a:1", 2), ("a:2", 2))), dump("ivr", group(4, SOCKET, ("a:1", 3), ("a:2", 1))))
RUNNING_ROWS = tuple(ConnectionOut(n, "w", 5.0, request_running=True, thread_id=n, backend_pid=100 + n) for n in range(4))
IN_DATABASE = (dump("cf-1", group(4, DATABASE)), dump("cf-2", group(4, DATABASE)))


@pytest.mark.fact("O3", "O4", "O7")
def test_connections_that_were_lost_are_the_root_of_all_that_wait() -> None:
    """Through the pool, the servers and the callers, however the calls fell."""
    servers = (dump("cf-1", group(4, CHECKOUT)), dump("cf-2", group(4, CHECKOUT)))
    assert root(evidence(table("cf-1", *[LEAKED] * 4), table("cf-2", *[LEAKED] * 4)), *CALLERS, *servers) == (
        "lost: 8 of 8 connections of cf-1 and cf-2 were lost in lookup/original.py:16, in lookup_by_city: its connection was never checked "
        "in, and the request ended with Error; 16 threads wait for it, of 4 services (kiosk, ivr, cf-1, cf-2)"
    )


def given_up(server: str, *rows: ConnectionOut, after_s: float | None = 0.5) -> PoolTable:
    """Return a pool for whose connections nobody waits longer than that."""
    return replace(table(server, *rows), checkout_timeout_s=after_s, waiting=0)


@pytest.mark.fact("S2", "O4")
@pytest.mark.parametrize(
    ("pools", "missing", "text"),
    [
        ((4, 4), (), "8 of 8 connections of cf-1 and cf-2 were lost in {}; {}: every checkout fails"),
        ((4, 0), (), "4 of 4 connections of cf-1 were lost in {}; {}: every checkout of cf-1 fails"),
        ((4, 2), (), "6 of 8 connections of cf-1 and cf-2 were lost in {}; {}: every checkout of cf-1 fails"),
        ((4,), (Missing("pool of cf-2", "refused"),), "4 of 4 connections of cf-1 were lost in {}; {}: every checkout of cf-1 fails"),
    ],
)
def test_connections_that_were_lost_are_the_root_where_checkouts_give_up(
    pools: tuple[int, ...], missing: tuple[Missing, ...], text: str
) -> None:
    """No thread need wait for them: where a pool has lost all, and checkouts give up, requests fail for it."""
    tables = (given_up(f"cf-{number}", *[LEAKED] * lost) for number, lost in enumerate(pools, 1))
    seen = found(evidence(*tables, missing=missing), *(dump(service, group(1, CHECKOUT), group(3, IDLE)) for service in ("cf-1", "cf-2")))
    (blamed,) = seen.blamed
    where = "lookup/original.py:16, in lookup_by_city: its connection was never checked in, and the request ended with Error"
    assert (blamed.cause.code, blamed.threads, seen.knows_root) == ("lost", 0, True)
    assert str(blamed) == text.format(where, "no thread hangs for it, as checkouts give up after 0.5 s")
    assert Edge("pool of cf-1", "lookup/original.py:16", 4, "lost") in seen.edges


@pytest.mark.parametrize(
    "pool",
    [
        given_up("cf-1", *[LEAKED] * 3),  # one is left
        given_up("cf-1", *RUNNING_ROWS),
        given_up("cf-1", *[LEAKED] * 4, after_s=None),  # whoever asks waits, and is seen to
        replace(given_up("cf-1", *[LEAKED] * 4), max_overflow=-1),  # it opens others
        given_up("cf-1"),
    ],
)
def test_a_pool_that_has_a_connection_left_is_not_blamed(pool: PoolTable) -> None:
    """Nor one whose connections requests have, nor one for which threads would wait."""
    assert found(evidence(pool), dump("cf-1", group(4, IDLE))).blamed == ()


def test_what_threads_wait_for_is_blamed_alone() -> None:
    """Where a service is full, its threads tell what the trouble is."""
    seen = found(evidence(given_up("cf-1", *[LEAKED] * 4), table("cf-2")), dump("cf-2", group(4, DATABASE)), dump("cf-1", group(4, IDLE)))
    assert "lost" not in {blamed.cause.code for blamed in seen.blamed}
    assert seen.blamed


@pytest.mark.fact("O7")
@pytest.mark.parametrize("has", [4, 2])
def test_requests_that_have_all_connections_of_a_pool_and_wait_for_one_more_are_a_deadlock(has: int) -> None:
    """By the lines that took the connections which are out; a request may have several of them."""
    rows = [replace(row, thread_id=1 + n % has, checked_out_at=("lookup/nested.py:23 f",)) for n, row in enumerate(RUNNING_ROWS)]
    calls = Calls(tuple(RunningCall(1 + n, "lookup_by_city", 5.0) for n in range(4)))
    assert root(evidence(replace(table("cf-1", *rows), calls=calls)), dump("cf-1", group(4, CHECKOUT))) == (
        f"deadlock: a deadlock: {has} requests have the 4 connections of the pool of cf-1, and wait for one more: "
        "they took theirs at lookup/nested.py:23 f; 4 threads wait for it, of cf-1"
    )


@pytest.mark.parametrize(("threads", "code"), [(4, "deadlock"), (5, "unseen")])
def test_requests_without_a_thread_that_have_all_connections_while_all_threads_wait_are_likely_a_deadlock(threads: int, code: str) -> None:
    """They may need a thread to go on; where one is free, they have it."""
    rows = [replace(row, thread_id=0, operation="lookup_by_city", checked_out_at=("lookup/dependency.py:27 f",)) for row in RUNNING_ROWS]
    seen = replace(evidence(table("cf-1", *rows)), services=(about("cf-1", request_threads=threads),))
    (blamed,) = found(seen, dump("cf-1", group(4, CHECKOUT))).blamed
    assert (blamed.cause.code, blamed.cause.only_likely) == (code, code == "deadlock")
    assert code == "unseen" or str(blamed.cause.text) == (
        "a deadlock (likely): requests without a thread have the 4 connections of the pool of cf-1, and all 4 threads wait for one: "
        "they took theirs at lookup/dependency.py:27 f"
    )


@pytest.mark.parametrize(("waiting", "holder"), [(3, 1), (4, 9)])
def test_it_is_no_deadlock_where_a_call_does_not_wait_or_a_connection_is_in_other_hands(waiting: int, holder: int) -> None:
    """Whoever it is may give it back."""
    rows = [replace(row, thread_id=thread_id) for row, thread_id in zip(RUNNING_ROWS, (holder, 2, 3, 4), strict=True)]
    calls = Calls(tuple(RunningCall(1 + n, "lookup_by_city", 5.0) for n in range(4)))
    seen = evidence(replace(table("cf-1", *rows), calls=calls, waiting=waiting))
    assert root(seen, dump("cf-1", group(4, CHECKOUT))).startswith("unseen: what is behind pool of cf-1 is not known: 4 requests have")


def test_forty_threads_are_one_edge() -> None:
    """Grouped by whom they wait for, and counted."""
    graph = found(evidence(table("cf-1", *[LEAKED] * 4)), dump("kiosk", group(4, SOCKET, ("a:1", 4))), dump("cf-1", group(4, CHECKOUT)))
    assert graph.edges == (
        Edge("kiosk", "cf-1", 4, SOCKET),
        Edge("cf-1", "pool of cf-1", 4, CHECKOUT),
        Edge("pool of cf-1", "lookup/original.py:16", 4, "lost"),
    )


LOST_4 = evidence(table("cf-1", *[LEAKED] * 4))
KIOSK = dump("kiosk", group(4, SOCKET, ("a:1", 4)))


@pytest.mark.parametrize(
    ("dumps", "waiting"),
    [
        ((KIOSK, dump("cf-1", group(3, CHECKOUT), group(1, IDLE))), "7 threads wait for it, of 2 services (kiosk, cf-1)"),
        (
            (KIOSK, dump("ivr", group(2, SOCKET, ("a:1", 2)), group(2, IDLE)), dump("cf-1", group(4, CHECKOUT))),
            "10 threads wait for it, of 3 services (kiosk, ivr, cf-1)",
        ),
        (
            (dump("ivr", group(2, SOCKET, ("a:1", 1), ("a:9", 1)), group(2, IDLE)), dump("cf-1", group(4, CHECKOUT))),
            "5 threads wait for it, of 2 services (ivr, cf-1)",
        ),
    ],
)
def test_threads_of_a_service_that_has_others_free_are_counted_where_they_wait_for_the_same(
    dumps: tuple[Threads, ...], waiting: str
) -> None:
    """A server that others wait for, a caller that nobody waits for; what else its threads do is not blamed."""
    graph = found(LOST_4, *dumps)
    assert [blamed.cause.code for blamed in graph.blamed] == ["lost"]
    assert str(graph.root).endswith(f"; {waiting}")


def test_a_service_whose_threads_wait_for_something_else_is_in_no_graph() -> None:
    """It has threads free, and what the others are at is no trouble of anybody's."""
    well = dump("ivr", group(2, SOCKET, ("a:2", 2)), group(2, IDLE))
    other = dump("cf-2", group(2, RUNNING), group(2, IDLE))
    graph = found(LOST_4, dump("cf-1", group(4, CHECKOUT)), well, other)
    assert {edge.source for edge in graph.edges} == {"cf-1", "pool of cf-1"}
    assert [blamed.services for blamed in graph.blamed] == [("cf-1",)]


def test_a_lock_in_the_database_is_followed_to_the_session_that_holds_it() -> None:
    """Past those that wait for it themselves; of a request of ours, it is told which."""
    holder = Session(7, "flights", "", "idle in transaction", "", "LOCK TABLE flights", 4.0, 4.5)
    waiting = [Session(100 + n, "flights", "", "active", "Lock: relation", "SELECT", blocked_by=(100,) if n else (7,)) for n in range(4)]
    side = database(holder, *waiting, locks=(HeldLock(7, "flights", "AccessExclusiveLock", granted=True),))
    seen = evidence(table("cf-1", *RUNNING_ROWS), table("cf-2", *RUNNING_ROWS), side=side)
    assert root(seen, *CALLERS, *IN_DATABASE) == (
        "lock: a lock on flights of database that the role flights holds for 4.5 s: session 7, idle in transaction, last statement: "
        "LOCK TABLE flights; 16 threads wait for it, of 4 services (kiosk, ivr, cf-1, cf-2)"
    )
    mine = replace(RUNNING_ROWS[0], backend_pid=7, operation="book")
    assert "that book of cf-1 holds" in root(replace(seen, pools=(table("cf-1", mine, *RUNNING_ROWS[1:]),)), *IN_DATABASE)


def test_sessions_that_wait_for_one_another_are_a_deadlock() -> None:
    """PostgreSQL itself would see it a second later."""
    sessions = [Session(100 + n, "flights", "", "active", "Lock: tuple", "UPDATE", blocked_by=(101 - n,)) for n in range(2)]
    seen = evidence(table("cf-1", *RUNNING_ROWS[:2], size=2), side=database(*sessions))
    assert root(seen, dump("cf-1", group(2, DATABASE), threads=2)).startswith(
        "deadlock: a deadlock: the sessions 100, 101 of database wait"
    )


@pytest.mark.parametrize(
    ("sessions", "cause"),
    [
        (
            [Session(100 + n, "flights", "", "active", "", "SELECT pg_sleep(9)") for n in range(4)],
            "statement: statements at work in database, such as: SELECT",
        ),
        (
            [Session(100 + n, "flights", "", "idle", "Client: ClientRead", "SELECT 1") for n in range(4)],
            "no_answer: the link to database at a:10: threads wait",
        ),
        ([], "no_session: the link to database at a:10: connections over it have no session"),
    ],
)
def test_what_the_database_knows_of_a_statement_tells_on_which_side_the_trouble_is(sessions: list[Session], cause: str) -> None:
    """At work: the statement. Idle: the way back. No session: the other end is gone, and nobody said so."""
    seen = evidence(table("cf-1", *RUNNING_ROWS), table("cf-2", *RUNNING_ROWS), side=database(*sessions))
    assert root(seen, *CALLERS, *IN_DATABASE).startswith(cause)
    assert root(seen, *CALLERS, *IN_DATABASE).endswith("16 threads wait for it, of 4 services (kiosk, ivr, cf-1, cf-2)")


def test_a_pool_that_others_use_up_leads_to_what_they_wait_for() -> None:
    """Those that wait for a connection wait for the same as those that have one."""
    idle = [Session(100 + n, "flights", "", "idle", "", "SELECT 1") for n in range(2)]
    seen = evidence(table("cf-1", *RUNNING_ROWS[:2], size=2), side=database(*idle))
    (blamed,) = found(seen, dump("cf-1", group(2, DATABASE), group(2, CHECKOUT))).blamed
    assert (blamed.cause.code, blamed.threads) == ("no_answer", 4)


def test_a_server_with_free_threads_is_not_blamed_for_calls_that_never_came() -> None:
    """The link to it is."""
    servers = (dump("cf-1", group(4, IDLE)), dump("cf-2", group(4, IDLE)))
    callers = [dump(caller, group(4, SOCKET, ("a:1", 4))) for caller in ("kiosk", "ivr")]
    assert root(evidence(table("cf-1"), table("cf-2")), *callers, *servers) == (
        "no_answer: the link to cf-1: it has 4 of 4 request threads free, and does not answer over it; "
        "8 threads wait for it, of 2 services (kiosk, ivr)"
    )


def test_a_proxy_is_looked_through() -> None:
    """The address that a caller knows may be that of a proxy."""
    route = Route("link to cf-2", "a:99", "a:2", listens=True)
    seen = replace(evidence(table("cf-2")), routes=(VIRTUAL_IP, route))
    assert found(seen, dump("ivr", group(4, SOCKET, ("a:99", 4))), dump("cf-2", group(4, IDLE))).edges[0].target == "cf-2"


def test_a_thread_that_reads_a_connection_to_the_database_outside_of_its_driver_is_not_led_astray() -> None:
    """The virtual IP is part of the facility."""
    assert root(evidence(table("cf-1")), dump("cf-1", group(4, SOCKET, ("a:10", 4)))).startswith(
        "unseen: what is behind virtual IP of database at a:10 is not known"
    )


def test_a_balancer_is_looked_through_to_all_that_stand_behind_it() -> None:
    """In equal shares, as it takes them in turn."""
    routes = [Route(f"lb-1 to {server}", "lb-1:8080", ADDRESSES[server], listens=True) for server in ("cf-1", "cf-2")]
    seen = replace(evidence(table("cf-1"), table("cf-2")), routes=(VIRTUAL_IP, *routes))
    dumps = [dump("ivr", group(4, SOCKET, ("lb-1:8080", 4))), dump("cf-1", group(4, IDLE)), dump("cf-2", group(4, IDLE))]
    assert [(edge.target, edge.count) for edge in found(seen, *dumps).edges] == [("cf-1", 2), ("cf-2", 2)]


def test_a_service_that_answers_nobody_is_frozen() -> None:
    """Neither its threads nor its settings could be had, and the reason is given."""
    missing = (Missing("what cf-1 is", "no answer within 2 s"),)
    stopped = dump("cf-1", error="cf-1 is stopped (state T)")
    assert root(evidence(missing=missing), dump("kiosk", group(4, SOCKET, ("a:1", 4))), stopped) == (
        "frozen: cf-1 answers nobody: cf-1 is stopped (state T); 4 threads wait for it, of kiosk"
    )


HALF = "0.1 of the 0.1 s that the look took, the machine had no processor free"


@pytest.mark.parametrize(
    ("busy_s", "cause"),
    [
        (0.04, "frozen: cf-1 answers nobody: no answer within 2 s"),
        (0.06, f"unseen: what is behind cf-1 is not known: no answer within 2 s, but for {HALF}"),
    ],
)
def test_a_service_that_was_late_on_a_busy_machine_is_not_frozen(busy_s: float, cause: str) -> None:
    """Its threads could be dumped, so it is there; that it did not answer in time shows nothing then."""
    missing = (Missing("what cf-1 is", "no answer within 2 s"),)
    dumps = (dump("kiosk", group(4, SOCKET, ("a:1", 4))), dump("cf-1", group(4, IDLE)))
    worst = who_waits.of({one.service: one for one in dumps}, evidence(missing=missing), busy_s).root
    assert worst is not None
    assert f"{worst.cause.code}: {worst.cause.text}" == cause


@pytest.mark.parametrize(
    ("missing", "busy_s", "cause"),
    [
        (Missing("", "no answer within 2 s", late=True), 0.04, "no_answer: the database at a:10 does not answer: no answer within 2 s"),
        (
            Missing("", "no answer within 2 s", late=True),
            0.06,
            f"unseen: what is behind the database is not known: no answer within 2 s, but for {HALF}",
        ),
        (
            Missing("", "no server of it runs on db-1"),
            0.06,
            "no_answer: the database at a:10 does not answer: no server of it runs on db-1",
        ),
    ],
)
def test_a_database_that_was_late_on_a_busy_machine_is_not_blamed(missing: Missing, busy_s: float, cause: str) -> None:
    """That no server runs is as certain as ever."""
    seen = evidence(table("cf-1"), missing=(replace(missing, what="database server of the database"),))
    seen = replace(seen, routes=())
    worst = who_waits.of({"cf-1": dump("cf-1", group(4, DATABASE))}, seen, busy_s).root
    assert worst is not None
    assert f"{worst.cause.code}: {worst.cause.text}" == cause


def test_services_that_wait_for_one_another_are_a_deadlock() -> None:
    """Each is blocked in a call to the other."""
    dumps = (dump("cf-1", group(4, SOCKET, ("a:2", 4))), dump("cf-2", group(4, SOCKET, ("a:1", 4))))
    graph = found(evidence(), *dumps)
    assert {one.cause.text for one in graph.blamed} == {"a deadlock: cf-1, cf-2 wait for one another"}
    assert graph.root is not None
    assert graph.root.threads == 8


def test_locks_and_work_of_a_service_itself_are_named_by_their_line() -> None:
    """Nothing behind them is guessed."""
    assert (
        root(evidence(), dump("cf-1", group(4, LOCK)))
        == "monitor: a lock in cf-1 that threads take at socket.py:9 recv; 4 threads wait for it, of cf-1"
    )
    assert (
        root(evidence(), dump("cf-1", group(1, RUNNING), threads=1))
        == "work: work of cf-1 itself at socket.py:9 recv; one thread waits for it, of cf-1"
    )


def test_work_at_one_line_is_one_cause_with_the_time_that_its_longest_call_has_taken() -> None:
    """Of however many servers; those that wait for them wait for it, too."""
    working = (dump("cf-1", group(4, RUNNING)), dump("cf-2", group(4, RUNNING)))
    rows = tuple(ConnectionOut(n, "w", 1.5 + n, request_running=True, operation="lookup_by_city") for n in range(4))
    other = ConnectionOut(9, "w", 60.0, request_running=True, operation="book")
    assert root(evidence(table("cf-1", *rows), table("cf-2", other)), *CALLERS, *working) == (
        "work: work of cf-1 and cf-2 themselves at socket.py:9 recv, where the longest of 4 calls has had its connection for 4.5 s; "
        "16 threads wait for it, of 4 services (kiosk, ivr, cf-1, cf-2)"
    )


@pytest.mark.parametrize(
    ("still_s", "cause"),
    [
        ((0.9, 0.9, 0.9, 0.2), "late_answer: the link to database at a:10 answers late: sessions at the other end have given answers that"),
        ((4.9, 5.0, 9.0, 9.0), "no_answer: the link to database at a:10: threads wait for answers"),
    ],
)
def test_a_link_that_answers_late_is_not_one_that_does_not_answer(still_s: tuple[float, ...], cause: str) -> None:
    """All calls have had their connections for 5 s: were they answered meanwhile, their sessions have stood still for less."""
    sessions = [Session(100 + n, "flights", "", "idle in transaction", "", "FETCH", at_s) for n, at_s in enumerate(still_s)]
    seen = evidence(table("cf-1", *RUNNING_ROWS), table("cf-2", *RUNNING_ROWS), side=database(*sessions))
    assert root(seen, *CALLERS, *IN_DATABASE).startswith(cause)
    assert ("up to 0.9 s" in root(seen, *CALLERS, *IN_DATABASE)) is cause.startswith("late")


def test_a_thread_that_connects_waits_for_the_other_end() -> None:
    """However its stack looks: the kernel tells of the socket."""
    graph = found(evidence(table("cf-1")), dump("kiosk", group(4, RUNNING, ("a:1", 4))), dump("cf-1", group(4, IDLE)))
    assert [one.cause.where for one in graph.blamed] == ["link to cf-1"]


def test_where_nobody_looked_at_sockets_the_settings_say_who_is_called() -> None:
    """In equal shares, as the callers take turns."""
    seen = replace(evidence(), services=(about("kiosk", flight_search_urls=["http://a:1", "http://a:2"]),))
    graph = found(seen, dump("kiosk", group(3, SOCKET), threads=3), dump("cf-1", group(4, IDLE)), dump("cf-2", group(4, IDLE)))
    assert [(edge.target, edge.count) for edge in graph.edges] == [("cf-1", 2), ("cf-2", 1)]


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (None, "nobody asked"),
        (evidence(missing=(Missing("pool of cf-1", "no answer within 2 s"),)), "no answer within 2 s"),
        (
            evidence(table("cf-1", *[replace(LEAKED, checked_out_at=())] * 4)),
            "4 of its 4 connections are out, and nobody recorded who has them",
        ),
        (evidence(table("cf-1", *RUNNING_ROWS)), "4 requests have its connections, and none of them was seen"),
    ],
)
def test_what_was_not_seen_is_named_and_nothing_is_blamed_for_it(seen: Evidence | None, reason: str) -> None:
    """With the reason why it is not known."""
    assert root(seen, dump("cf-1", group(4, CHECKOUT))) == (
        f"unseen: what is behind pool of cf-1 is not known: {reason}; 4 threads wait for it, of cf-1"
    )


def test_what_was_seen_comes_before_what_was_not() -> None:
    """However many threads end there."""
    dumps = (dump("cf-1", group(8, CHECKOUT), threads=8), dump("cf-2", group(2, LOCK), threads=2))
    assert [one.cause.code for one in found(None, *dumps).blamed] == ["monitor", "unseen"]


@pytest.mark.parametrize(("seen", "unseen", "knows"), [(1, 3, False), (2, 2, False), (3, 1, True)])
def test_the_root_is_known_only_if_more_wait_for_it_than_for_what_was_not_seen(seen: int, unseen: int, *, knows: bool) -> None:
    """Otherwise what was not seen may be the root; what was seen comes first all the same."""
    graph = found(evidence(), dump("cf-1", group(seen, RUNNING), group(unseen, CHECKOUT)))
    assert [blamed.cause.code for blamed in graph.blamed] == ["work", "unseen"]
    assert (graph.knows_root, graph.doubt == "") == (knows, knows)
    drawn = wait_graph.of(graph, FacilityNames(("cf-1",), (), 4, 4))
    assert drawn is not None
    assert bool(drawn.root) is knows
    first = waits.sentences(Look(5.0, "hung", graph))[0]
    assert first.startswith("the root is not known: of 4 threads, " if not knows else "work of cf-1 itself")


BEHIND_A_BALANCER = dump("kiosk", group(3, SOCKET, ("a:1, a:2", 3)), threads=3)


@pytest.mark.parametrize("lost", ["cf-1", "cf-2"])
def test_a_remainder_of_shared_out_calls_decides_nothing(lost: str) -> None:
    """Three calls to two servers, of which one lost its connections and one was not seen: which comes first makes no difference."""
    servers = (dump("cf-1", group(4, CHECKOUT)), dump("cf-2", group(4, CHECKOUT)))
    seen = found(evidence(table(lost, *[LEAKED] * 4)), BEHIND_A_BALANCER, *servers)
    assert [blamed.exactly for blamed in seen.blamed] == [5.5, 5.5]
    assert sum(blamed.threads for blamed in seen.blamed) == 11
    assert seen.doubt == "of 11 threads, 5.5 wait for what was not seen, when calls are shared out evenly"


@pytest.mark.parametrize("peers", ["a:1, a:2", "a:2, a:1"])
def test_which_of_two_servers_is_asked_first_does_not_tell_whether_it_is_free(peers: str) -> None:
    """Of five calls each has 2.5, and its one thread at work is less than half of that, whoever gets the odd one."""
    servers = (dump("cf-1", group(1, RUNNING), group(3, IDLE)), dump("cf-2", group(1, RUNNING), group(3, IDLE)))
    said = root(evidence(), dump("kiosk", group(5, SOCKET, (peers, 5)), threads=5), *servers)
    assert "which of those behind it does not answer" in said


@pytest.mark.parametrize(("unseen", "knows"), [(Fraction(9, 2), True), (Fraction(14, 3), False), (Fraction(5), False)])
def test_a_root_that_leads_by_less_than_a_thread_is_not_known(unseen: Fraction, *, knows: bool) -> None:
    """That much may come of how calls were shared out."""
    blamed = (Blamed(Cause("lost", "a", "lost"), 6, ("cf-1",), Fraction(11, 2)), Blamed(Cause("unseen", "b", "b"), 5, ("cf-1",), unseen))
    seen = WhoWaits((), blamed)
    assert (seen.knows_root, bool(seen.doubt)) == (knows, not knows)


def test_a_facility_that_works_has_nobody_to_blame() -> None:
    """A thread is free everywhere, and nothing of what is at work is a cause."""
    servers = [dump(server, group(3, DATABASE), group(1, IDLE)) for server in ("cf-1", "cf-2")]
    assert found(evidence(), *servers, dump("kiosk", group(3, SOCKET, ("a:1", 3)))) == WhoWaits()
    assert found(evidence(), dump("cf-1", threads=0)).root is None


def test_where_threads_could_not_be_dumped_no_thread_of_theirs_is_called_free() -> None:
    """What nobody saw is named, as of a server whose process is stopped."""
    seen = found(evidence(), dump("cf-1", error="no stack traces"), dump("cf-2", group(4, IDLE)))
    assert seen.undumped == ("cf-1",)
    said = "nothing is blamed: every service had a request thread free, as far as it was seen; the threads of cf-1 could not be dumped"
    assert waits.sentences(Look(0.0, "asked", seen)) == [said]


def test_a_virtual_ip_that_takes_no_connections_is_blamed_for_those_that_threads_open() -> None:
    """Within a driver that opens one; while it takes them, who waits on one is not led astray."""
    connecting = dump("cf-1", group(4, RUNNING, ("a:10", 4)))
    closed = replace(evidence(), routes=(replace(VIRTUAL_IP, listens=False),))
    assert root(closed, connecting).startswith("no_answer: the virtual IP of database at a:10 takes no connections")
    assert root(evidence(), connecting).startswith("unseen: ")


def test_threads_that_sleep_are_not_said_to_work() -> None:
    """As those of a caller between two attempts."""
    asleep = ThreadGroup(4, RUNNING, "check_in", ("nap.py:31 sleep",), (GroupWait(4, "sleep", "nanosleep", "", ""),))
    assert root(evidence(), dump("kiosk", asleep)).startswith("work: a sleep of kiosk itself at nap.py:31 sleep; 4 threads")


def test_sockets_that_nobody_looked_at_are_not_known() -> None:
    """As in journals from before it was looked at, of a service whose settings are not known either."""
    (blamed,) = found(None, dump("kiosk", group(4, SOCKET))).blamed
    assert blamed.cause.code == "unseen"


def journal_with(tmp_path: Path, *events: Event) -> Journal:
    """Return a journal with these events, which lies in a directory."""
    return Journal(tmp_path / "original.jsonl", header(), events)


def test_each_moment_of_a_night_has_its_own_graph(tmp_path: Path) -> None:
    """With the dumps that had begun by then."""
    file = tmp_path / "original" / "evidence" / "1.json"
    evidence_file.write(evidence(table("cf-1", *[LEAKED] * 4)), file)
    taken = EvidenceTaken(t_s=6.0, night_s=106.0, why="hung", file="original/evidence/1.json", took_s=0.1)
    later = replace(dump("cf-1", group(4, IDLE)), t_s=9.0, took_s=0.5)
    asked = replace(taken, t_s=9.0, night_s=109.0, why="asked", file="original/evidence/2.json")
    evidence_file.write(replace(evidence(table("cf-1")), why="asked", t_s=8.9, night_s=108.9), tmp_path / asked.file)
    looks = who_waits.of_journal(journal_with(tmp_path, later, dump("cf-1", group(4, CHECKOUT)), asked, taken))
    assert [(look.night_s, look.why, look.who_waits.root is not None) for look in looks] == [(106.0, "hung", True), (109.0, "asked", False)]
    assert looks[0].who_waits.blamed[0].cause.code == "lost"


def test_evidence_that_cannot_be_read_says_why_and_the_dumps_are_used(tmp_path: Path) -> None:
    """Deleted, or never written."""
    gone = EvidenceTaken(t_s=6.0, night_s=106.0, why="hung", file="original/evidence/1.json", took_s=0.1)
    failed = replace(gone, error="the evidence cannot be written to 1.json: No space left on device")
    for taken, reason in ((gone, "1.json cannot be read: No such file"), (failed, "No space left")):
        (look,) = who_waits.of_journal(journal_with(tmp_path, dump("cf-1", group(4, LOCK)), taken))
        assert reason in look.unread
        assert [blamed.cause.code for blamed in look.who_waits.blamed] == ["monitor"]


def test_a_journal_from_before_there_was_evidence_has_the_moment_of_its_last_dump(tmp_path: Path) -> None:
    """And one without a dump has none."""
    (look,) = who_waits.of_journal(journal_with(tmp_path, dump("cf-1", group(4, CHECKOUT))))
    assert (look.night_s, look.unread) == (5.0, "no evidence was taken beside the dumps")
    assert who_waits.of_journal(journal_with(tmp_path)) == ()


# Without evidence, or without dumps


@pytest.mark.parametrize(
    ("seen", "unread", "why"),
    [
        (None, "", "no evidence was read"),
        (None, "1.json cannot be read: No such file", "no evidence was read: 1.json cannot be read: No such file"),
        (replace(evidence(), addresses={}), "", "no evidence was read"),
    ],
)
def test_an_address_is_not_blamed_where_nobody_read_whose_it_is(seen: Evidence | None, unread: str, why: str) -> None:
    """It may be that of the proxy of a server that is well."""
    (blamed,) = who_waits.of({"kiosk": dump("kiosk", group(4, SOCKET, ("a:99", 4)))}, seen, 0.0, unread).blamed
    assert str(blamed) == f"what is behind a:99 is not known: {why}; 4 threads wait for it, of kiosk"
    assert blamed.cause.code == "unseen"


def test_an_address_of_no_part_is_blamed_where_the_parts_are_known() -> None:
    """Nobody in the facility stands there."""
    said = root(evidence(), dump("kiosk", group(4, SOCKET, ("a:99", 4))))
    assert said.startswith("no_answer: a:99, which is no part of the facility that was seen, does not answer")


MAY_NOT = "cf-1 cannot be dumped: Permission denied"
TOO_LATE = "cf-1 cannot be dumped: py-spy did not end within 20 s"
NO_ANSWER = Missing("what cf-1 is", "no answer within 2 s", late=True)


@pytest.mark.parametrize(
    ("error", "missing", "busy_s", "cause"),
    [
        (MAY_NOT, (), 0.0, f"unseen: what is behind cf-1 is not known: {MAY_NOT}"),
        (TOO_LATE, (), 0.1, f"unseen: what is behind cf-1 is not known: {TOO_LATE}"),
        (None, (), 0.0, "unseen: what is behind cf-1 is not known: its threads were not dumped"),
        (TOO_LATE, (NO_ANSWER,), 0.0, f"frozen: cf-1 answers nobody: {TOO_LATE}"),
        (TOO_LATE, (replace(NO_ANSWER, late=False),), 0.1, f"frozen: cf-1 answers nobody: {TOO_LATE}"),
        (
            TOO_LATE,
            (NO_ANSWER,),
            0.1,
            f"unseen: what is behind cf-1 is not known: {TOO_LATE}, but for {HALF}",
        ),
        (None, (NO_ANSWER,), 0.0, "frozen: cf-1 answers nobody: no answer within 2 s"),
        ("cf-1 is stopped (state T)", (), 0.1, "frozen: cf-1 answers nobody: cf-1 is stopped (state T)"),
    ],
)
def test_a_service_that_could_not_be_dumped_is_frozen_only_if_it_did_not_answer_either(
    error: str | None, missing: tuple[Missing, ...], busy_s: float, cause: str
) -> None:
    """Whoever dumps may lack the permission, or the time; that it is stopped shows by itself."""
    dumps = {"kiosk": dump("kiosk", group(4, SOCKET, ("a:1", 4)))} | ({} if error is None else {"cf-1": dump("cf-1", error=error)})
    (blamed,) = who_waits.of(dumps, evidence(table("cf-1"), missing=missing), busy_s).blamed
    assert f"{blamed.cause.code}: {blamed.cause.text}" == cause


def test_a_service_whose_process_is_stopped_is_frozen_whoever_saw_that() -> None:
    """The evidence has it, too, although its queue is not full yet."""
    stopped = Listeners("cf-1", (), is_stopped=True)
    seen = replace(evidence(table("cf-1")), listeners=(stopped,))
    assert root(seen, dump("kiosk", group(4, SOCKET, ("a:1", 4))), dump("cf-1", error=TOO_LATE)).startswith("frozen: cf-1 answers nobody")


# Several behind one address


BALANCED = ("cf-1", "cf-2", "cf-3")


def behind_a_balancer(*missing: Missing) -> Evidence:
    """Return the evidence of three servers behind a balancer."""
    addresses = {**ADDRESSES, "cf-3": "a:5"}
    routes = [Route(f"lb-1 to {server}", "lb-1:80", addresses[server], listens=True) for server in BALANCED]
    services = tuple(about(service) for service in addresses if all(one.what != f"what {service} is" for one in missing))
    return replace(evidence(*map(table, BALANCED), missing=missing), routes=(VIRTUAL_IP, *routes), addresses=addresses, services=services)


THROUGH_BALANCER = dump("kiosk", group(4, SOCKET, ("lb-1:80", 4)))


@pytest.mark.parametrize("stuck", BALANCED)
def test_all_wait_for_the_one_behind_a_balancer_that_is_stuck(stuck: str) -> None:
    """Calls are sent in equal shares, but those that still wait are not with the servers that are free."""
    well = [dump(server, group(4, IDLE)) for server in BALANCED if server != stuck]
    frozen = found(behind_a_balancer(Missing(f"what {stuck} is", "x")), THROUGH_BALANCER, *well, dump(stuck, error=f"{stuck} is stopped"))
    assert [(one.cause.code, one.cause.where, one.threads) for one in frozen.blamed] == [("frozen", stuck, 4)]
    blocked = found(behind_a_balancer(), THROUGH_BALANCER, *well, dump(stuck, group(4, LOCK)))
    assert [(one.cause.code, one.threads) for one in blocked.blamed] == [("monitor", 8)]
    busy = found(behind_a_balancer(), THROUGH_BALANCER, *well, dump(stuck, group(3, LOCK), group(1, IDLE)))
    assert [(blamed.cause.code, blamed.threads) for blamed in busy.blamed] == [("monitor", 7)]


def test_where_all_behind_a_balancer_are_free_it_is_not_known_which_does_not_answer() -> None:
    """The edges are in equal shares, and nobody is blamed."""
    graph = found(behind_a_balancer(), THROUGH_BALANCER, *[dump(server, group(4, IDLE)) for server in BALANCED])
    free = " and ".join(f"{server} has 4 of 4 request threads free" for server in BALANCED)
    assert [str(one) for one in graph.blamed] == [
        f"what is behind lb-1:80 is not known: which of those behind it does not answer; {free}; 4 threads wait for it, of kiosk"
    ]
    assert [edge.count for edge in graph.edges] == [2, 1, 1]


def test_a_thread_that_waits_for_two_sockets_has_two_other_ends() -> None:
    """Whichever explains the wait is followed."""
    graph = found(evidence(), dump("kiosk", group(4, SOCKET, ("a:1, a:2", 4))), dump("cf-1", group(4, IDLE)), dump("cf-2", group(4, LOCK)))
    assert [(one.cause.code, one.threads, one.services) for one in graph.blamed] == [("monitor", 8, ("kiosk", "cf-2"))]


def test_threads_whose_other_end_nobody_saw_are_counted_all_the_same() -> None:
    """They read a socket, but whose is not known; where the stack tells something else, that counts."""
    graph = found(evidence(), dump("kiosk", group(4, SOCKET, ("a:1", 1))), dump("cf-1", group(4, IDLE)))
    assert [(one.cause.code, one.threads) for one in graph.blamed] == [("no_answer", 1), ("unseen", 3)]
    graph = found(evidence(), dump("kiosk", group(4, RUNNING, ("a:1", 1))), dump("cf-1", group(4, IDLE)))
    assert [(one.cause.code, one.threads) for one in graph.blamed] == [("work", 3), ("no_answer", 1)]


@pytest.mark.parametrize("urls", [None, 5, "x", [1], ["http://["], {"a": 1}])
def test_settings_that_name_no_address_tell_nobody_who_is_called(urls: object) -> None:
    """Whatever stands there instead."""
    seen = replace(evidence(), services=(about("kiosk", flight_search_urls=urls),))
    assert root(seen, dump("kiosk", group(4, SOCKET))).startswith("unseen: what is behind the sockets that threads read")


# Circles


def with_stack(count: int, state: str, at: str, *peers: tuple[str, int], within: str = "lookup_by_city") -> ThreadGroup:
    """Return request threads whose innermost call is at a line of their own."""
    return replace(group(count, state, *peers), stack=(at,), within=within)


ONE_CALLS = dump("cf-1", with_stack(3, RUNNING, "a.py:5 compute"), with_stack(1, SOCKET, "a.py:9 call", ("a:2", 1)))
ALL_CALL = dump("cf-2", with_stack(4, SOCKET, "a.py:9 call", ("a:1", 4)))
BEHIND_BOTH = dump("kiosk", group(4, SOCKET, ("a:1", 2), ("a:2", 2)))


@pytest.mark.parametrize("dumps", [*itertools.permutations((ONE_CALLS, ALL_CALL, BEHIND_BOTH))])
def test_services_that_call_one_another_are_no_deadlock_while_a_thread_gets_on(dumps: tuple[Threads, ...]) -> None:
    """All wait for that thread, in whichever order they were dumped."""
    (blamed,) = found(evidence(), *dumps).blamed
    assert (blamed.cause.text, blamed.threads) == ("work of cf-1 itself at a.py:5 compute", 12)


@pytest.mark.parametrize("dumps", [*itertools.permutations((BEHIND_BOTH, ALL_CALL, dump("cf-1", group(4, SOCKET, ("a:2", 4)))))])
def test_who_waits_for_a_deadlock_waits_for_all_of_it(dumps: tuple[Threads, ...]) -> None:
    """It is one, wherever one comes upon it."""
    (blamed,) = found(evidence(), *dumps).blamed
    assert (blamed.cause.text, blamed.threads) == ("a deadlock: cf-1, cf-2 wait for one another", 12)


def test_a_service_that_calls_itself_with_all_of_its_threads_waits_for_itself() -> None:
    """With one of them at work it does not."""
    assert "a deadlock: kiosk waits for itself; 4 threads" in root(evidence(), dump("kiosk", group(4, SOCKET, ("a:3", 4))))
    one = dump("kiosk", with_stack(3, RUNNING, "a.py:5 compute"), group(1, SOCKET, ("a:3", 1)))
    assert [(each.cause.code, each.threads) for each in found(evidence(), one).blamed] == [("work", 4)]


def test_a_circle_with_a_free_thread_in_it_is_not_known_to_be_a_deadlock() -> None:
    """That thread may answer."""
    said = root(evidence(), ALL_CALL, dump("cf-1", group(3, SOCKET, ("a:2", 3)), group(1, IDLE)))
    assert said == (
        "unseen: what is behind cf-1, cf-2 is not known: they call one another, and cf-1 has 1 of 4 request threads free; "
        "7 threads wait for it, of 2 services (cf-2, cf-1)"
    )


def test_who_waits_for_a_service_waits_in_equal_shares_for_what_as_many_of_its_threads_wait_for() -> None:
    """The alphabet decides nothing."""
    server = dump("cf-1", with_stack(2, RUNNING, "a.py:5 f"), with_stack(2, LOCK, "z.py:5 g"))
    assert [one.threads for one in found(evidence(), dump("kiosk", group(4, SOCKET, ("a:1", 4))), server).blamed] == [4, 4]


# At work for whom


@pytest.mark.parametrize(
    "callers",
    [
        [dump(f"caller-{number}", group(2, SOCKET, ("a:1", 2)), threads=2) for number in range(16)],
        [dump("kiosk", *[with_stack(1, SOCKET, f"a.py:{number} f", ("a:1", 1)) for number in range(32)], threads=32)],
    ],
)
@pytest.mark.parametrize(("working", "code", "threads"), [(1, "no_answer", 32), (15, "no_answer", 32), (16, "work", 48)])
def test_a_server_is_at_the_calls_that_wait_if_half_as_many_of_its_threads_work(
    callers: list[Threads], working: int, code: str, threads: int
) -> None:
    """However the calls are spread over callers, and over the lines from which they are made."""
    server = dump("cf-1", with_stack(working, RUNNING, "a.py:3 health"), group(40 - working, IDLE), threads=40)
    (blamed,) = found(evidence(table("cf-1", size=40)), *callers, server).blamed
    assert (blamed.cause.code, blamed.threads) == (code, threads)


# Pools


def holding(count: int, **settings: Any) -> tuple[ConnectionOut, ...]:
    """Return so many connections whose requests run."""
    return tuple(ConnectionOut(n, "w", 5.0, request_running=True, thread_id=n + 1, backend_pid=100 + n, **settings) for n in range(count))


def test_who_waits_for_a_connection_waits_for_all_that_have_one_in_proportion() -> None:
    """Two of five are no more than two fifths."""
    using = (with_stack(2, LOCK, "a.py:1 m"), *[with_stack(1, RUNNING, f"a.py:{line} w") for line in (2, 3, 4)])
    graph = found(evidence(table("cf-1", *holding(5), size=5)), dump("cf-1", group(95, CHECKOUT), *using, threads=100))
    assert [(one.cause.code, one.threads) for one in graph.blamed] == [("monitor", 40), ("work", 20), ("work", 20), ("work", 20)]
    assert sum(edge.count for edge in graph.edges if edge.source == "cf-1") == 100  # each thread once


@pytest.mark.parametrize(
    ("calls", "operation"),
    [(None, "nightly_batch"), (Calls((RunningCall(99, "lookup_by_city", 5.0),)), "lookup_by_city"), (None, "")],
)
def test_connections_that_no_request_thread_has_are_not_put_on_one_that_runs(calls: Calls | None, operation: str) -> None:
    """By the operation, by the threads that are at a call, or else by their number."""
    seen = evidence(replace(table("cf-1", *holding(4, operation=operation)), calls=calls))
    graph = found(seen, dump("cf-1", group(12, CHECKOUT), with_stack(1, RUNNING, "a.py:1 render"), threads=13))
    unseen = graph.blamed[-1]
    assert unseen.cause.code == "unseen"
    assert "requests that have its connections are none of the request threads that were seen" in unseen.cause.text
    assert unseen.threads == (12 if operation == "nightly_batch" or calls else 9)  # by their number, one of four may have one


@pytest.mark.parametrize(("in_pool", "waiting", "code"), [(39, 40, "lost"), (39, 39, "unseen"), (39, 0, "unseen"), (0, 40, "unseen")])
def test_a_pool_that_has_connections_to_give_is_no_reason_to_wait(in_pool: int, waiting: int, code: str) -> None:
    """Those not opened yet count, too; where more wait than it has, it was just about to give them."""
    pool = replace(table("cf-1", LEAKED, size=40 if in_pool else 41), in_pool=in_pool, waiting=waiting)
    assert found(evidence(pool), dump("cf-1", group(40, CHECKOUT), threads=40)).blamed[0].cause.code == code


def test_a_pool_has_its_overflow_as_well() -> None:
    """So many may be out, and lost."""
    pool = replace(table("cf-1", *[LEAKED] * 6), max_overflow=4, in_pool=0)
    assert "lost: 6 of 8 connections of cf-1 were lost" in root(evidence(pool), dump("cf-1", group(4, CHECKOUT)))
    seen = evidence(replace(table("cf-1", *[replace(LEAKED, checked_out_at=())] * 6), max_overflow=2, in_pool=0))
    assert "6 of its 6 connections are out" in root(seen, dump("cf-1", group(4, CHECKOUT)))


def test_each_line_that_lost_connections_has_its_share() -> None:
    """Of those that were lost at one line in one way, the errors may differ."""
    other = replace(LEAKED, checked_out_at=("lookup/original.py:50 book",))
    graph = found(evidence(table("cf-1", *[LEAKED] * 3, *[other] * 3, size=6)), dump("cf-1", group(4, CHECKOUT)))
    assert [(one.cause.where, one.threads) for one in graph.blamed] == [("lookup/original.py:16", 2), ("lookup/original.py:50", 2)]
    assert [(edge.target, edge.count) for edge in graph.edges[1:]] == [("lookup/original.py:16", 3), ("lookup/original.py:50", 3)]


# Busy, and well


def test_a_server_whose_calls_have_all_just_come_is_busy_and_nobody_is_blamed() -> None:
    """At work, or in the database, whose sessions have just answered; callers of it do not know more."""
    young = tuple(replace(row, out_s=0.001) for row in RUNNING_ROWS)
    idle = [Session(100 + n, "flights", "", "idle in transaction", "Client: ClientRead", "SELECT", 0.0005) for n in range(4)]
    for state in (RUNNING, DATABASE, LOCK):
        servers = dump("cf-1", group(4, state)), dump("kiosk", group(4, SOCKET, ("a:1", 4)))
        (blamed,) = found(evidence(table("cf-1", *young), side=database(*idle)), *servers).blamed
        assert (blamed.cause.code, blamed.threads) == ("unseen", 8)
        assert blamed.cause.text == "what is behind cf-1 is not known: all its calls have come within the last 0.5 s, which is no wait"


def test_connections_that_were_lost_are_lost_however_young_the_calls_are() -> None:
    """Nobody who waits for one gets it."""
    calls = Calls(tuple(RunningCall(n, "lookup_by_city", 0.1) for n in range(4)))
    assert root(evidence(replace(table("cf-1", *[LEAKED] * 4), calls=calls)), dump("cf-1", group(4, CHECKOUT))).startswith("lost: 4 of 4")
