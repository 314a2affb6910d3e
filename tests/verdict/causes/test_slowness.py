"""What is at work and slow, and what answers late rather than never."""

from __future__ import annotations

import pytest

from testbed.journal.evidence import Calls, ConnectionOut, PoolTable, RunningCall, Session
from testbed.verdict.causes import slowness


def late_s(*calls: tuple[float, float | None]) -> float | None:
    """Return what is said of calls that have had their connections for so long, whose sessions have stood still for so long."""
    rows = [ConnectionOut(n, "w", out_s, request_running=True, backend_pid=100 + n) for n, (out_s, _) in enumerate(calls)]
    sessions = [Session(100 + n, "flights", "", "idle", "", "", still_s) for n, (_, still_s) in enumerate(calls)]
    return slowness.answers_late_s(rows, {session.pid: session for session in sessions})


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        ([(2.0, 0.9), (3.0, 0.4), (0.5, 0.6), (0.1, 0.2)], 0.9),  # two in their first round trip
        ([(5.1, 5.0), (2.0, 5.0), (1.0, 7.0)], None),  # the first was under way when the link fell silent
        ([(5.1, 5.0), (4.9, 5.0), (4.8, 5.0), (4.7, 5.0), (9.0, 0.1)], None),  # one that is answered is no rule
        ([(5.0, None), (5.0, None)], None),
        ([(0.001, 0.0005), (0.002, 0.0005), (0.49, 0.1)], None),  # answers that have just come
        ([(0.001, 0.0005), (0.5, 0.1)], 0.1),
        ([], None),
    ],
)
def test_a_link_is_late_where_requests_had_answers_while_they_waited(calls: list[tuple[float, float | None]], said: float | None) -> None:
    """Those in their first round trip do not tell, and neither does what was never seen."""
    assert late_s(*calls) == said


def test_nobody_tells_for_how_long_without_a_table() -> None:
    """The line and the service are told all the same."""
    assert slowness.work("a.py:1 f", "f", {"cf-1": 4}, ()) == ("cf-1, a.py:1 f", "work of cf-1 itself at a.py:1 f")


def test_work_of_several_services_is_one_cause_in_whichever_order_they_were_dumped() -> None:
    """Their names are in the order of the alphabet."""
    assert slowness.work("a.py:1 f", "f", {"cf-2": 4, "cf-1": 4}, ())[0] == "cf-1 and cf-2, a.py:1 f"


def pool(*held_s: float, calls_s: tuple[float, ...] = (), attempt: int = 1) -> PoolTable:
    """Return the pool of a server whose connections have been out for so long, and which has been at its calls for so long."""
    rows = tuple(ConnectionOut(n, "w", out_s, request_running=True) for n, out_s in enumerate(held_s))
    calls = Calls(tuple(RunningCall(n, "lookup", running_s, "kiosk", attempt) for n, running_s in enumerate(calls_s)))
    return PoolTable("cf-1", 4, 0, None, 4 - len(rows), len(rows), 0, 0, rows, calls=calls if calls_s else None)


@pytest.mark.parametrize(
    ("table", "gets_on"),
    [
        (pool(0.1, 0.2, 0.3, 0.49), True),
        (pool(0.1, 0.2, 0.3, 0.5), False),
        (pool(0.1, 0.2, 0.3), False),  # the fourth thread may have been at its call for long
        (pool(calls_s=(0.1, 0.49)), True),  # the other two have ended theirs
        (pool(0.1, 0.1, 0.1, 0.1, calls_s=(0.1, 0.1, 0.1, 0.5)), False),  # it waited for its connection
        (pool(calls_s=(0.1,) * 4, attempt=2), False),  # too many rather than too slow
        (pool(), False),
        (None, False),
    ],
)
def test_a_server_gets_on_where_all_of_its_calls_are_young(table: PoolTable | None, *, gets_on: bool) -> None:
    """Where that is not known of each of its four threads at work, it is not said."""
    assert slowness.gets_on(table, 4) is gets_on
