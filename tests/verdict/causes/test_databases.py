from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from testbed.journal.events import ThreadGroup
from testbed.journal.evidence import ConnectionOut, HeldLock, Route, Session
from testbed.journal.thread_states import CHECKOUT, DATABASE, RUNNING
from tests.verdict.test_who_waits import database, dump, evidence, found, group, root, table

if TYPE_CHECKING:
    from testbed.journal.evidence import DatabaseSide, Evidence

ROWS = tuple(ConnectionOut(n, "w", 5.0, request_running=True, thread_id=n, backend_pid=100 + n, operation="lookup") for n in range(10))
HOLDER = Session(7, "etl", "", "idle in transaction", "Client: ClientRead", "LOCK TABLE flights", 9.0, 9.0)
OTHER = Session(8, "etl", "", "idle in transaction", "Client: ClientRead", "LOCK TABLE bookings", 9.0, 9.0)


def blocked(number: int, *by: int) -> Session:
    """Return the session of a row that waits for the locks of others."""
    return Session(100 + number, "flights", "", "active", "Lock: relation", "SELECT", blocked_by=by)


def idle(number: int) -> Session:
    """Return the session of a row whose statement has ended."""
    return Session(100 + number, "flights", "", "idle in transaction", "Client: ClientRead", "SELECT", 5.0, 5.0)


def active(number: int, wait: str = "", query: str = "SELECT 1") -> Session:
    """Return the session of a row that is at a statement."""
    return Session(100 + number, "flights", "", "active", wait, query, 5.0)


def with_rows(side: DatabaseSide, *rows: ConnectionOut) -> Evidence:
    """Return the evidence of a server with ten connections, of which these are used."""
    return evidence(table("cf-1", *(rows or ROWS), size=10), side=side)


def elsewhere(count: int, line: int) -> ThreadGroup:
    """Return threads at work at a line of their own, with a connection each."""
    return ThreadGroup(count, RUNNING, "lookup", (f"app.py:{line} f",))


ALL = dump("cf-1", group(10, DATABASE), threads=10)
FOUR = dump("cf-1", group(4, DATABASE), elsewhere(3, 6), elsewhere(3, 7), threads=10)


@pytest.mark.parametrize(
    ("sessions", "cause"),
    [
        ([*(blocked(n, 7) for n in range(4)), *map(idle, range(4, 10))], "lock: a lock on a table of database that the role etl holds"),
        ([*map(active, range(4)), *map(idle, range(4, 10))], "statement: statements at work in database"),
        ([*map(active, range(2)), *(blocked(n, 7) for n in range(2, 4)), *map(idle, range(4, 10))], "lock:"),
        ([blocked(0, 7), *map(idle, range(1, 10))], "no_answer: the link to database"),
        (list(map(idle, range(10))), "no_answer: the link to database"),
        (list(map(idle, range(3))), "no_session: the link to database"),
    ],
)
def test_connections_of_threads_at_work_elsewhere_do_not_hide_a_lock(sessions: list[Session], cause: str) -> None:
    """Their sessions have nothing to do: as many sessions as threads wait for the database explain these."""
    assert root(with_rows(database(HOLDER, *sessions)), FOUR).startswith(cause)
    assert root(with_rows(database(HOLDER, *sessions)), FOUR).endswith("4 threads wait for it, of cf-1")


def test_where_all_threads_wait_for_the_database_most_of_their_sessions_tell() -> None:
    """Four of ten that are blocked are not enough."""
    assert root(with_rows(database(HOLDER, *(blocked(n, 7) for n in range(4)), *map(idle, range(4, 10)))), ALL).startswith("no_answer:")


def test_threads_are_told_apart_by_their_operation() -> None:
    """Where enough connections have that of the group: the bookings are blocked, and the lookups are not."""
    rows = [replace(row, operation="book" if number < 5 else "lookup") for number, row in enumerate(ROWS)]
    sessions = [*(blocked(n, 7) for n in range(5)), *map(active, range(5, 10))]
    groups = [ThreadGroup(5, DATABASE, within, ("app.py:1 f",)) for within in ("book", "lookup")]
    blamed = found(with_rows(database(HOLDER, *sessions), *rows), dump("cf-1", *groups, threads=10)).blamed
    assert [(each.cause.code, each.threads) for each in blamed] == [("lock", 5), ("statement", 5)]


def test_threads_are_counted_once_however_many_ways_lead_to_them() -> None:
    """Those that wait for a connection wait for what those do that have one."""
    seen = evidence(table("cf-1", *ROWS[:2], size=2), side=database(*map(idle, range(2))))
    edges = found(seen, dump("cf-1", group(2, CHECKOUT), group(2, DATABASE))).edges
    assert [edge.count for edge in edges if edge.target == "database"] == [2]


def test_of_two_holders_the_one_that_most_wait_for_is_blamed() -> None:
    """Whichever session is seen first, and past those that only wait themselves."""
    waiting = [blocked(0, 7), blocked(1, 8), *(blocked(n, 101) for n in range(2, 10))]
    graph = found(with_rows(database(HOLDER, OTHER, *waiting)), ALL)
    assert graph.root is not None
    assert "session 8, idle in transaction, last statement: LOCK TABLE bookings" in graph.root.cause.text
    held = [(edge.target, edge.count) for edge in graph.edges if (edge.source, edge.how) == ("a lock", "held by")]
    assert held == [("session 7 of database", 1), ("session 8 of database", 9)]


def test_the_table_is_the_one_that_is_waited_for() -> None:
    """Whatever else the holder locks; of several, the one that most wait for."""
    held = (HeldLock(7, "audit_log", "RowExclusiveLock", granted=True), HeldLock(7, "flights", "AccessShareLock", granted=True))
    wanted = [HeldLock(100 + n, "flights" if n else "audit_log", "AccessExclusiveLock", granted=False) for n in range(4)]
    side = database(HOLDER, *(blocked(n, 7) for n in range(4)), locks=(*held, *wanted))
    assert root(with_rows(side, *ROWS[:4]), FOUR).startswith("lock: a lock on flights of database")


@pytest.mark.parametrize(("relations", "said"), [((), "a table"), (("a",), "a"), (("b", "a"), "a or b"), (("a", "b", "c", "d"), "a table")])
def test_where_nobody_tells_which_table_is_waited_for_all_that_the_holder_locks_are_named(relations: tuple[str, ...], said: str) -> None:
    """As with a row: its lock names no relation. Of more than three, none."""
    locks = tuple(HeldLock(7, relation, "RowExclusiveLock", granted=True) for relation in relations)
    side = database(HOLDER, *(blocked(n, 7) for n in range(4)), locks=locks)
    assert root(with_rows(side, *ROWS[:4]), FOUR).startswith(f"lock: a lock on {said} of database that the role etl holds for 9.0 s")


@pytest.mark.parametrize(
    ("pid", "who", "said"),
    [
        (0, "prepared transaction", "that a prepared transaction holds: no session has it, until it is committed or rolled back;"),
        (9, "process 9", "that process 9 of its server holds;"),
    ],
)
def test_a_lock_that_no_session_holds_says_who_does(pid: int, who: str, said: str) -> None:
    """PostgreSQL gives no process for a prepared transaction."""
    locks = tuple(HeldLock(100 + n, "flights", "AccessShareLock", granted=False) for n in range(4))
    side = database(*(blocked(n, pid) for n in range(4)), locks=locks)
    assert f"a lock on flights of database {said} 4 threads" in root(with_rows(side, *ROWS[:4]), FOUR)
    assert f"{who} of database" in [edge.target for edge in found(with_rows(side, *ROWS[:4]), FOUR).edges]


@pytest.mark.parametrize(
    ("wait", "cause"),
    [
        (
            "Client: ClientWrite",
            "no_answer: the link to database at a:10, or whoever uses it: sessions at the other end wait for their client (Client:",
        ),
        (
            "IPC: SyncRep",
            "no_answer: the standby of database, or the link to it: sessions wait for it to confirm their commits (IPC: SyncRep),",
        ),
        ("IO: DataFileRead", "statement: statements at work in database, such as: SELECT 1, which waits for IO: DataFileRead; 10"),
        ("", "statement: statements at work in database, such as: SELECT 1; 10"),
    ],
)
def test_a_session_that_is_active_is_blamed_for_what_it_waits_for(wait: str, cause: str) -> None:
    """One that cannot send its answer, or waits for the standby, is at no statement any more."""
    sessions = [active(n, wait) if n else active(0, "LWLock: WALWrite", "COMMIT") for n in range(10)]
    assert root(with_rows(database(*sessions)), ALL).startswith(cause)


def test_the_standby_that_does_not_confirm_is_waited_for_by_the_database() -> None:
    """In the graph, by as many sessions."""
    edges = found(with_rows(database(*(active(n, "IPC: SyncRep") for n in range(10)))), ALL).edges
    assert [(edge.source, edge.count) for edge in edges if edge.target == "standby of database"] == [("database", 10)]


OWN = (Route("virtual IP of database", "a:10", "a:20", listens=True), Route("virtual IP of database-2", "b:10", "b:20", listens=True))


def two_databases(first: DatabaseSide, *of_second: ConnectionOut) -> Evidence:
    """Return the evidence of two service groups, each with a server and a database of its own, whose processes have the same ids."""
    second = replace(first, database="database-2", address="b:20")
    seen = evidence(table("cf-1", *ROWS[:4]), table("cf-2", *(of_second or ROWS[:4])), side=first)
    services = [replace(each, settings={"database": "host=b port=10"}) if each.service == "cf-2" else each for each in seen.services]
    return replace(seen, services=tuple(services), routes=OWN, databases=(first, second))


def test_a_lock_of_one_group_s_database_is_not_put_on_a_request_of_another_group() -> None:
    """Session 7 of the first database is nobody's, and the one of the second is that of a booking."""
    side = database(
        HOLDER, *(blocked(number, 7) for number in range(4)), locks=(HeldLock(7, "flights", "AccessExclusiveLock", granted=True),)
    )
    booking = ConnectionOut(9, "w", 5.0, request_running=True, backend_pid=7, operation="book")
    graph = found(two_databases(side, booking, *ROWS[:3]), *(dump(server, group(4, DATABASE)) for server in ("cf-1", "cf-2")))
    first, second = sorted(graph.blamed, key=lambda blamed: blamed.services)
    assert (first.services, second.services) == (("cf-1",), ("cf-2",))
    assert "of database that the role etl holds" in first.cause.text
    assert "of database-2 that book of cf-2 holds" in second.cause.text


def test_the_locks_of_two_databases_are_two_nodes_of_the_graph() -> None:
    """Each leads to the session of its own database."""
    side = database(HOLDER, *(blocked(number, 7) for number in range(4)))
    graph = found(two_databases(side), *(dump(server, group(4, DATABASE)) for server in ("cf-1", "cf-2")))
    held = {(edge.source, edge.target) for edge in graph.edges if edge.how == "held by"}
    assert held == {("a lock of database", "session 7 of database"), ("a lock of database-2", "session 7 of database-2")}


def test_the_trouble_of_one_group_s_database_is_not_blamed_on_the_other() -> None:
    """The sessions of the second are at work, and nobody there waits for a lock."""
    side = database(HOLDER, *(blocked(number, 7) for number in range(4)))
    seen = two_databases(side)
    well = replace(seen.databases[1], sessions=tuple(active(number) for number in range(4)))
    graph = found(replace(seen, databases=(side, well)), *(dump(server, group(4, DATABASE)) for server in ("cf-1", "cf-2")))
    assert sorted((blamed.cause.code, blamed.services) for blamed in graph.blamed) == [("lock", ("cf-1",)), ("statement", ("cf-2",))]
