"""What a cell comes out as, by what was seen of it."""

from __future__ import annotations

import pytest

from testbed.pools.cell import Answer, Burst, Evidence, PoolLook, Way
from testbed.pools.ending import judge

SIZE = 3


def answered(*pids: int) -> tuple[Answer, ...]:
    """Return answers, each of which comes from one of these sessions."""
    return tuple(Answer(0.0, 0.3, 200, pid) for pid in pids)


def failed(status: int | None, took_s: float = 0.1, error: str = "Error: no") -> tuple[Answer, ...]:
    """Return as many failures as a burst has requests."""
    return (Answer(0.0, took_s, status, None, error),) * SIZE


WELL, FEW = answered(1, 2, 3), answered(1, 2, 1)


@pytest.mark.parametrize(
    ("bursts", "way"),
    [
        ((WELL, WELL), "comes back"),
        ((failed(500), WELL, WELL), "comes back"),
        ((WELL, failed(500)), "lends dead connections"),
        ((failed(503), failed(503)), "refuses"),
        ((failed(503), failed(None)), "hangs"),
        ((failed(503), failed(504)), "refuses"),
        ((FEW, FEW), "loses a few"),
        ((FEW, (*answered(1, 2), Answer(0.0, 2.0, 503))), "loses a few"),
        ((failed(0), failed(0)), "unknown"),
        ((WELL,), "unknown"),
        ((), "unknown"),
    ],
)
def test_the_last_bursts_decide(bursts: tuple[tuple[Answer, ...], ...], way: Way) -> None:
    """By the worst that they show."""
    evidence = Evidence(SIZE, bursts=tuple(Burst(float(number), answers) for number, answers in enumerate(bursts)))
    assert judge(evidence).way == way


def test_what_failed_before_it_began_is_unknown() -> None:
    """Whatever came of the bursts."""
    result = judge(Evidence(SIZE, bursts=(Burst(0.0, WELL), Burst(1.0, WELL)), failure="no Java"))
    assert (result.way, result.why, result.errors, result.lost) == ("unknown", "no Java", None, None)


def test_the_time_counts_to_the_first_of_the_bursts_that_stayed_well() -> None:
    """One that was well by chance before does not count."""
    bursts = [WELL, failed(500), WELL, WELL]
    result = judge(Evidence(SIZE, bursts=tuple(Burst(float(number), answers) for number, answers in enumerate(bursts))))
    assert (result.well_after_s, result.watched_s, result.errors, result.hanging) == (2.0, 3.0, SIZE, 0)


@pytest.mark.parametrize(
    ("last", "pool", "lost"),
    [
        (FEW, PoolLook(SIZE, 1), 1),
        (failed(503), PoolLook(SIZE, SIZE), SIZE),
        (failed(None), PoolLook(SIZE, SIZE), 0),  # those that hang may have them
        (FEW, PoolLook(), 1),  # it does not tell: by the sessions that answered
        (FEW, None, 1),
        (failed(503), None, None),
    ],
)
def test_a_connection_is_lost_that_is_out_and_that_nothing_uses(last: tuple[Answer, ...], pool: PoolLook | None, lost: int | None) -> None:
    """Where neither pool nor answers tell, it is unknown."""
    assert judge(Evidence(SIZE, bursts=(Burst(0.0, WELL), Burst(1.0, last)), pool=pool)).lost == lost


def test_what_was_refused_waited_so_long() -> None:
    """In the median of what the pool refused; where it refused nothing, there is no such time."""
    refused = judge(Evidence(SIZE, bursts=(Burst(0.0, failed(503, 2.0)), Burst(1.0, failed(503, 2.2)), Burst(2.0, failed(503, 2.4)))))
    assert (refused.refused_after_s, refused.why) == (2.2, "Error: no")
    assert judge(Evidence(SIZE, bursts=(Burst(0.0, WELL), Burst(1.0, WELL)))).refused_after_s is None
