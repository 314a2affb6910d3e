from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from testbed.journal.events import GroupWait, ThreadGroup
from testbed.journal.evidence import EventLoop, Evidence, Holder, Listener, Listeners, LockWait, Missing, ThreadLocks
from testbed.journal.thread_states import CHECKOUT, DATABASE, IDLE, LOCK, RUNNING, SOCKET
from tests.verdict.test_who_waits import RUNNING_ROWS, database, dump, evidence, found, root, table

if TYPE_CHECKING:
    from testbed.journal.events import Threads

GATES, BOARD = "flight_search/board.py:40 check_in", "flight_search/board.py:55 status"
FREE = dump("cf-2", ThreadGroup(4, IDLE, "", ()))
ONLY_CF_1 = (
    dump("kiosk", ThreadGroup(4, SOCKET, "", ("socket.py:9 recv",), (GroupWait(4, "socket", "recv", "a:1", ""),))),
    dump("ivr", ThreadGroup(4, SOCKET, "", ("socket.py:9 recv",), (GroupWait(4, "socket", "recv", "a:1", ""),))),
)
# Two threads that wait for each other, and two behind them.
CROSSED = (
    LockWait(11, "worker", GATES, "self._board", 12, "worker", "flight_search/board.py:52", "likely"),
    LockWait(12, "worker", BOARD, "self._gates", 11, "worker", "flight_search/board.py:37", "likely"),
    LockWait(13, "worker", "flight_search/board.py:37 check_in", "self._gates", 11, "worker", "flight_search/board.py:37", "likely"),
    LockWait(14, "worker", "flight_search/board.py:52 status", "self._board", 12, "worker", "flight_search/board.py:52", "likely"),
)
DEADLOCK = ThreadLocks("cf-1", CROSSED, deadlocks=((11, 12),))


def taking(count: int, at: str, state: str = RUNNING, detail: str = "") -> ThreadGroup:
    """Return threads that stand in a futex at a line: `with lock:` has no call of its own."""
    return ThreadGroup(count, state, "check_in", ("app.py:1 f", at), (GroupWait(count, "lock", "futex", "", detail),))


STUCK = dump("cf-1", *(taking(1, wait.at) for wait in CROSSED))


def with_locks(*locks: ThreadLocks, missing: tuple[Missing, ...] = (), **changes: object) -> Evidence:
    """Return the evidence of a facility, with the locks of its services."""
    return replace(evidence(table("cf-1"), table("cf-2"), missing=missing), thread_locks=locks, **changes)  # type: ignore[arg-type]


@pytest.mark.fact("O7")
def test_a_deadlock_of_threads_is_the_root_of_all_that_wait_behind_it() -> None:
    """With both lines of each thread: where it waits, and where it took what the other waits for."""
    assert root(with_locks(DEADLOCK), *ONLY_CF_1, STUCK, FREE) == (
        "deadlock: a deadlock in cf-1: worker (11) holds the lock taken at flight_search/board.py:37 and waits at "
        "flight_search/board.py:40 check_in for the one that worker (12) took at flight_search/board.py:52, which waits at "
        "flight_search/board.py:55 status for the one that worker (11) took at flight_search/board.py:37 "
        "(likely: the locks are told by their names on the same objects); 12 threads wait for it, of 3 services (kiosk, ivr, cf-1)"
    )


def test_a_deadlock_that_is_certain_is_told_without_a_reservation() -> None:
    """By the address of each lock; threads with names of their own are told by these."""
    sure = tuple(replace(wait, name=f"w{wait.thread}", sure="certain") for wait in CROSSED)
    worst = found(with_locks(ThreadLocks("cf-1", sure, deadlocks=((12, 11),))), STUCK).root
    assert worst is not None
    assert worst.cause.where == "; ".join(f"cf-1, lock taken at flight_search/board.py:{line}" for line in (52, 37))
    assert worst.cause.text.startswith("a deadlock in cf-1: w11 holds the lock taken at flight_search/board.py:37 and waits at")
    assert worst.cause.text.endswith("for the one that w11 took at flight_search/board.py:37")


def test_a_thread_that_joins_another_is_part_of_a_deadlock() -> None:
    """It waits for an end, and not for a lock."""
    joins = LockWait(12, "main", "a.py:9 stop", "Thread.join", 11, "worker", "its end", "certain")
    takes = LockWait(11, "worker", GATES, "LOCK", 12, "main", "a.py:8", "certain")
    graph = found(with_locks(ThreadLocks("cf-1", (joins, takes), deadlocks=((11, 12),))), dump("cf-1", taking(1, GATES), threads=1))
    worst, held_by = graph.root, "held by a thread that waits for a lock"
    assert worst is not None
    assert [(edge.source, edge.target) for edge in graph.edges if edge.how == held_by] == [
        ("cf-1, end of worker", "cf-1, lock taken at a.py:8"),
        ("cf-1, lock taken at a.py:8", "cf-1, end of worker"),
    ]
    assert worst.cause.text == (
        "a deadlock in cf-1: main holds the lock taken at a.py:8 and waits at a.py:9 stop for the end of worker, "
        "which waits at flight_search/board.py:40 check_in for the one that main took at a.py:8"
    )


def test_threads_that_have_come_since_wait_for_what_those_at_their_line_do() -> None:
    """Locks are looked at after the dump, or before the last have come: every thread is counted once."""
    seen = dump("cf-1", taking(3, CROSSED[2].at), taking(1, GATES))
    (blamed,) = found(with_locks(DEADLOCK), seen).blamed
    assert (blamed.cause.code, blamed.threads) == ("deadlock", 4)


def behind_two_locks(*callers: int) -> tuple[Evidence, Threads]:
    """Return what is seen of four threads that take a lock at one line, two each one of two; of their stacks so many have one caller."""
    waits = tuple(LockWait(n, "worker", GATES, "gate.lock", 90 + n // 2, "holder", f"a.py:{6 + n // 2}", "certain") for n in range(4))
    stacks = [(count, (f"app.py:{line} f", GATES)) for line, count in enumerate(callers)]
    groups = [ThreadGroup(count, LOCK, "", stack, (GroupWait(count, "lock", "futex", "", ""),)) for count, stack in stacks]
    return with_locks(ThreadLocks("cf-1", waits)), dump("cf-1", *groups, threads=sum(callers))


@pytest.mark.parametrize("callers", [(4,), (2, 2), (1, 1, 1, 1), (3, 1)])
def test_threads_that_take_two_locks_at_one_line_wait_for_both(callers: tuple[int, ...]) -> None:
    """However their callers differ: no wait is counted for two stacks."""
    graph = found(*behind_two_locks(*callers))
    assert [(blamed.cause.text[-7:], blamed.threads) for blamed in graph.blamed] == [(" a.py:6", 2), (" a.py:7", 2)]
    assert [(edge.target, edge.count) for edge in graph.edges] == [(f"cf-1, lock taken at a.py:{line}", 2) for line in (6, 7)]


def test_threads_at_a_line_at_which_others_have_all_waits_wait_for_the_same() -> None:
    """They came there after the locks were looked at, or the others left."""
    graph = found(*behind_two_locks(4, 2))
    assert [(blamed.cause.text[-7:], blamed.threads) for blamed in graph.blamed] == [(" a.py:6", 4), (" a.py:7", 2)]
    assert sum(edge.count for edge in graph.edges) == 6


def test_threads_that_wait_for_a_lock_are_counted_once_however_many_ways_lead_to_them() -> None:
    """Those that wait for a connection wait for what those do that have one."""
    seen, dumped = behind_two_locks(4)
    seen = replace(seen, pools=(table("cf-1", *RUNNING_ROWS),))
    graph = found(seen, replace(dumped, request_threads=8, groups=(ThreadGroup(4, CHECKOUT, "", ("queue.py:1 get",)), *dumped.groups)))
    assert sum(edge.count for edge in graph.edges if edge.how == LOCK) == 4
    assert sum(blamed.threads for blamed in graph.blamed) == 8


def holding(state: str, *, kind: str = "", peer: str = "", at: str = "flight_search/board.py:70 f") -> ThreadLocks:
    """Return the locks of a server where four threads wait for a lock that a fifth holds, which does something else."""
    waits = tuple(LockWait(n, "worker", GATES, "LOCK", 99, "holder", "flight_search/board.py:60", "certain") for n in range(4))
    return ThreadLocks("cf-1", waits, (Holder(99, "holder", state, "", ("app.py:1 f", at), kind, "call", peer),))


def test_a_lock_whose_holder_waits_for_the_database_leads_there() -> None:
    """And so does everything that waits for the lock."""
    seen = replace(with_locks(holding(DATABASE)), pools=(table("cf-1", *RUNNING_ROWS),), databases=(database(),))
    graph = found(seen, dump("cf-1", taking(4, GATES)))
    assert [(blamed.cause.code, blamed.threads) for blamed in graph.blamed] == [("no_session", 4)]
    assert ("cf-1, lock taken at flight_search/board.py:60", "cf-1") in [(edge.source, edge.target) for edge in graph.edges]


def test_a_lock_whose_holder_calls_another_service_leads_to_it() -> None:
    """Past the lock and over the socket."""
    graph = found(with_locks(holding(SOCKET, kind="socket", peer="a:2")), dump("cf-1", taking(4, GATES)), FREE)
    assert [blamed.cause.where for blamed in graph.blamed] == ["link to cf-2"]


def test_a_lock_and_a_pool_that_wait_for_each_other_are_a_deadlock() -> None:
    """The holder of the lock waits for a connection, and whoever has one waits for the lock."""
    seen = replace(with_locks(holding(CHECKOUT)), pools=(table("cf-1", *RUNNING_ROWS),))
    worst = found(seen, dump("cf-1", taking(3, GATES), ThreadGroup(1, CHECKOUT, "", ("queue.py:1 get",)))).root
    assert worst is not None
    assert (worst.cause.code, worst.threads) == ("deadlock", 4)
    assert "holder (99) holds the lock taken at flight_search/board.py:60 and waits at" in worst.cause.text


@pytest.mark.parametrize(("kind", "does"), [("sleep", "asleep"), ("running", "at work"), ("", "at work")])
def test_a_lock_whose_holder_works_is_named_with_it(kind: str, does: str) -> None:
    """Who holds it, since which line, and where it is now."""
    assert root(with_locks(holding(RUNNING, kind=kind)), dump("cf-1", taking(4, GATES))) == (
        "monitor: a lock in cf-1 (LOCK) that threads take at flight_search/board.py:40 check_in, which holder (99) holds since "
        f"flight_search/board.py:60, and is {does} at flight_search/board.py:70 f; 4 threads wait for it, of cf-1"
    )


def test_a_lock_whose_holder_is_not_known_says_so() -> None:
    """Nobody is blamed for it."""
    waits = (LockWait(1, "worker", GATES, ""),)
    assert root(with_locks(ThreadLocks("cf-1", waits)), dump("cf-1", taking(4, GATES))).startswith(
        "monitor: a lock in cf-1 that threads take at flight_search/board.py:40 check_in, and who holds it is not known; 4 threads"
    )


def test_threads_that_waited_for_one_another_for_a_moment_are_no_deadlock() -> None:
    """A circle that the first of two looks did not show."""
    (blamed,) = found(with_locks(ThreadLocks("cf-1", CROSSED)), STUCK).blamed[:1]
    assert blamed.cause.code == "monitor"
    assert "and not before" in blamed.cause.text


def test_work_that_no_look_at_locks_found_to_wait_is_work() -> None:
    """As of a thread that waits for the interpreter's own lock, or to be notified."""
    assert root(with_locks(DEADLOCK), dump("cf-1", taking(4, "a.py:1 f"))).startswith("work: work of cf-1 itself at a.py:1 f")
    notified = taking(4, GATES, LOCK, "to be notified")
    assert root(with_locks(DEADLOCK), dump("cf-1", notified)).startswith("monitor: a lock in cf-1 that threads take at")


def test_locks_that_could_not_be_had_are_not_known() -> None:
    """Which is not the same as that nobody asked, as in evidence from before."""
    missing = (Missing("locks of cf-1", "no answer within 2 s"),)
    assert root(with_locks(missing=missing), dump("cf-1", taking(4, GATES, LOCK))) == (
        f"unseen: what is behind a lock in cf-1 that threads take at {GATES} is not known: no answer within 2 s; "
        "4 threads wait for it, of cf-1"
    )
    assert root(with_locks(), dump("cf-1", taking(4, GATES, LOCK))).startswith("monitor:")
    at_work = ThreadGroup(4, RUNNING, "", ("a.py:1 f",))  # nobody asked the kernel, and the stack says nothing of a lock
    assert root(with_locks(missing=missing), dump("cf-1", at_work)).startswith("work:")


FULL = Listeners("cf-1", (Listener("127.0.0.1:8001", 5, 4),))
SILENT = (Missing("what cf-1 is", "no answer within 2 s"),)
STOPPED = dump("cf-1", error="cf-1 is stopped (state T)")


@pytest.mark.fact("A4")
def test_a_queue_that_nobody_empties_is_the_root_of_those_who_wait_for_a_connection() -> None:
    """Whether they are in it, and read, or past it, and connect; behind it stands the process."""
    seen = with_locks(missing=SILENT, listeners=(FULL,))
    connects = ThreadGroup(4, RUNNING, "", ("connection.py:9 connect",), (GroupWait(4, "socket", "connect", "a:1", ""),))
    assert root(seen, ONLY_CF_1[0], dump("ivr", connects), STOPPED, FREE) == (
        "full_queue: the listen queue of cf-1 at 127.0.0.1:8001 is full: 5 of 4 wait to be accepted, and nobody accepts: "
        "cf-1 is stopped (state T); 8 threads wait for it, of 2 services (kiosk, ivr)"
    )
    stopped = replace(seen, listeners=(replace(FULL, is_stopped=True),))
    assert "nobody accepts: its process is stopped by a signal; 4 threads" in root(stopped, ONLY_CF_1[0], STOPPED, FREE)


def test_an_event_loop_that_is_busy_stands_behind_its_queue() -> None:
    """By the innermost call of the main thread; one that polls is not busy, and nothing is said of one that was not seen."""
    free = dump("cf-1", ThreadGroup(4, IDLE, "", ()))
    for stack, said in (
        (("app.py:1 main", "report.py:7 render"), "nobody accepts: its event loop is busy at report.py:7 render; 8"),
        (("app.py:1 main", "python3.11/selectors.py:468 select"), "nobody accepts; 8"),
        ((), "nobody accepts; 8"),
    ):
        loops = (EventLoop("cf-1", stack),) if stack else ()
        assert said in root(with_locks(missing=SILENT, listeners=(FULL,), event_loops=loops), *ONLY_CF_1, free, FREE)


def test_a_queue_that_is_not_full_or_that_somebody_empties_is_not_blamed() -> None:
    """A service that answers accepts; one that stands still with room in its queue is frozen."""
    room = Listeners("cf-1", (Listener("127.0.0.1:8001", 4, 4),))
    assert root(with_locks(missing=SILENT, listeners=(room,)), *ONLY_CF_1, STOPPED, FREE).startswith("frozen:")
    answers = dump("cf-1", ThreadGroup(4, IDLE, "", ()))
    assert root(with_locks(listeners=(FULL,)), *ONLY_CF_1, answers, FREE).startswith("no_answer: the link to cf-1")
