"""What is at work and slow, and what answers late rather than never."""

from __future__ import annotations

import pytest

from testbed.journal.evidence import ConnectionOut, Session
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
        ([], None),
    ],
)
def test_a_link_is_late_where_requests_had_answers_while_they_waited(calls: list[tuple[float, float | None]], said: float | None) -> None:
    """Those in their first round trip do not tell, and neither does what was never seen."""
    assert late_s(*calls) == said


def test_nobody_tells_for_how_long_without_a_table() -> None:
    """The line and the service are told all the same."""
    assert slowness.work("a.py:1 f", "f", {"cf-1": 4}, ()) == ("cf-1, a.py:1 f", "work of cf-1 itself at a.py:1 f")
