from __future__ import annotations

import threading
from collections import Counter
from itertools import cycle

import pytest

from flight_search.callers.round_robin import FALL, RoundRobin
from flight_search.stability.call import FacilityFailed

URLS = ("http://cf-1", "http://cf-2", "http://cf-3")


class RedAddresses:
    """The addresses whose health is red."""

    def __init__(self, *red: str) -> None:
        self.red = set(red)

    def is_green(self, url: str) -> bool:
        """Return the result of a health check."""
        return url not in self.red


def first_in_turn(round_robin: RoundRobin, count: int) -> Counter[str]:
    """Return how often each address was first in turn, over `count` calls."""
    return Counter(next(round_robin.in_turn()) for _ in range(count))


def test_each_address_is_first_equally_often_and_all_others_follow() -> None:
    """Six calls to three addresses go two to each, and each call may go on to the other two addresses, once each."""
    round_robin = RoundRobin(URLS, None, RedAddresses().is_green)
    assert first_in_turn(round_robin, 6) == dict.fromkeys(URLS, 2)
    assert sorted(round_robin.in_turn()) == sorted(URLS)


@pytest.mark.fact("C3")
def test_an_address_that_fails_three_checks_in_a_row_is_left_out_until_it_is_green() -> None:
    """Fewer than FALL red checks leave no address out, FALL do, and the next green check brings it back."""
    addresses = RedAddresses(URLS[0])
    round_robin = RoundRobin(URLS, None, addresses.is_green)
    for _ in range(FALL - 1):
        round_robin.check(URLS[0])
    assert first_in_turn(round_robin, 6) == dict.fromkeys(URLS, 2)
    round_robin.check(URLS[0])
    assert first_in_turn(round_robin, 6) == dict.fromkeys(URLS[1:], 3)
    addresses.red.clear()
    round_robin.check(URLS[0])
    assert first_in_turn(round_robin, 6) == dict.fromkeys(URLS, 2)


def test_red_checks_that_are_not_in_a_row_leave_no_address_out() -> None:
    """An address that is red in two of three checks stays in turn."""
    answers = cycle((False, False, True))
    round_robin = RoundRobin(URLS[:1], None, lambda _: next(answers))
    for _ in range(30):
        round_robin.check(URLS[0])
        assert next(round_robin.in_turn()) == URLS[0]


def test_a_call_fails_at_once_when_all_are_out_of_service() -> None:
    """Without a green address a call raises FacilityFailed with all addresses, as a balancer without a server refuses."""
    round_robin = RoundRobin(URLS, None, RedAddresses(*URLS).is_green)
    for url in URLS * FALL:
        round_robin.check(url)
    with pytest.raises(FacilityFailed, match="cf-1, http://cf-2, http://cf-3 each failed 3 health checks"):
        round_robin.in_turn()


def test_each_address_is_checked_while_another_does_not_answer() -> None:
    """A hanging check delays neither the checks of other addresses nor the end of the context."""
    released, checks = threading.Event(), {url: threading.Semaphore(0) for url in URLS}

    def is_green(url: str) -> bool:
        checks[url].release()
        return url != URLS[0] or released.wait(10)

    with RoundRobin(URLS, 0.001, is_green):
        for url in URLS[1:]:
            assert all(checks[url].acquire(timeout=10) for _ in range(3))
    assert checks[URLS[0]].acquire(timeout=10)
    released.set()


def test_nothing_is_checked_without_an_interval() -> None:
    """Behind a balancer, which checks for itself, no thread is started."""
    before = threading.active_count()
    with RoundRobin(URLS, None, RedAddresses().is_green):
        assert threading.active_count() == before
