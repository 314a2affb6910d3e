from __future__ import annotations

import threading
from collections import Counter
from itertools import cycle

import pytest

from flight_search.callers.round_robin import FALL, RoundRobin
from flight_search.stability.call import FacilityFailed

URLS = ("http://cf-1", "http://cf-2", "http://cf-3")


class Facility:
    """Knows which URLs are red."""

    def __init__(self, *red: str) -> None:
        self.red = set(red)

    def is_green(self, url: str) -> bool:
        """Answer a health check."""
        return url not in self.red


def called(round_robin: RoundRobin, count: int) -> Counter[str]:
    """Give who was first in turn, so many times."""
    return Counter(next(round_robin.in_turn()) for _ in range(count))


def test_each_is_first_in_turn_as_often_as_the_others_and_then_come_all_others() -> None:
    """Six calls of three fall two, two and two; whoever does not listen is followed by the other two, once each."""
    round_robin = RoundRobin(URLS, None, Facility().is_green)
    assert called(round_robin, 6) == dict.fromkeys(URLS, 2)
    assert sorted(round_robin.in_turn()) == sorted(URLS)


@pytest.mark.fact("C3")
def test_one_that_is_red_often_enough_in_a_row_is_left_out_until_it_is_green() -> None:
    """One slow answer of a busy machine takes nobody out; three in a row do, and the next green one brings it back."""
    facility = Facility(URLS[0])
    round_robin = RoundRobin(URLS, None, facility.is_green)
    for _ in range(FALL - 1):
        round_robin.check(URLS[0])
    assert called(round_robin, 6) == dict.fromkeys(URLS, 2)
    round_robin.check(URLS[0])
    assert called(round_robin, 6) == dict.fromkeys(URLS[1:], 3)
    facility.red.clear()
    round_robin.check(URLS[0])
    assert called(round_robin, 6) == dict.fromkeys(URLS, 2)


def test_red_checks_that_are_not_in_a_row_leave_nobody_out() -> None:
    """Health that is red two times of three never adds up to a fall."""
    answers = cycle((False, False, True))
    round_robin = RoundRobin(URLS[:1], None, lambda _: next(answers))
    for _ in range(30):
        round_robin.check(URLS[0])
        assert next(round_robin.in_turn()) == URLS[0]


def test_a_call_fails_at_once_when_all_are_out_of_service() -> None:
    """As a balancer without a server refuses; the message has the addresses."""
    round_robin = RoundRobin(URLS, None, Facility(*URLS).is_green)
    for url in URLS * FALL:
        round_robin.check(url)
    with pytest.raises(FacilityFailed, match="cf-1, http://cf-2, http://cf-3 each failed 3 health checks"):
        round_robin.in_turn()


def test_each_is_checked_while_another_does_not_answer() -> None:
    """A check that hangs keeps its own thread, and the end waits for none."""
    released, seen = threading.Event(), {url: threading.Semaphore(0) for url in URLS}

    def is_green(url: str) -> bool:
        seen[url].release()
        return url != URLS[0] or released.wait(10)

    with RoundRobin(URLS, 0.001, is_green):
        for url in URLS[1:]:
            assert all(seen[url].acquire(timeout=10) for _ in range(3))
    assert seen[URLS[0]].acquire(timeout=10)
    released.set()


def test_nobody_is_asked_where_a_balancer_does_it() -> None:
    """Without a time there are no checks."""
    before = threading.active_count()
    with RoundRobin(URLS, None, Facility().is_green):
        assert threading.active_count() == before
