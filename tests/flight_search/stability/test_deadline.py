from __future__ import annotations

import threading
import time

import pytest

from flight_search.stability import deadline


def test_a_deadline_within_another_ends_no_later() -> None:
    """The earlier one holds, whichever came first, and without one there is nothing left to tell."""
    assert (deadline.left_s(), deadline.within(None), deadline.is_over(), deadline.header()) == (None, None, False, {})
    with deadline.limited(60):
        left_s = deadline.left_s()
        with deadline.limited(3600):
            later_s = deadline.left_s()
        with deadline.limited(0.001):
            earlier_s = deadline.left_s()
    assert left_s is not None
    assert later_s is not None
    assert earlier_s is not None
    assert earlier_s <= 0.001 < later_s <= left_s <= 60
    assert deadline.left_s() is None


def test_a_time_out_is_as_long_as_what_is_left_of_the_deadline() -> None:
    """A shorter one stays as it is, and one of for ever ends."""
    with deadline.limited(60):
        assert deadline.within(1.0) == 1.0
        for timeout_s in (None, 3600.0):
            within_s = deadline.within(timeout_s)
            assert within_s is not None
            assert 0 < within_s <= 60


def test_what_is_left_is_sent_in_milliseconds_and_read_again() -> None:
    """As a whole number of them, and 0 when it is over."""
    with deadline.limited(60):
        ((name, value),) = deadline.header().items()
        assert name == "X-Envoy-Expected-Rq-Timeout-Ms"
        assert deadline.read(value) == pytest.approx(60, abs=5)
    deadline.ends_s.set(time.monotonic() - 1)
    try:
        assert (deadline.header()[name], deadline.read("0"), deadline.is_over()) == ("0", 0.0, True)
        with pytest.raises(deadline.DeadlineExceeded, match=r"has been over for 1\.0"):
            deadline.require_left()
    finally:
        deadline.ends_s.set(None)


@pytest.mark.parametrize("value", ["", "-1", "+1", "1.5", "1e3", "1 ", "123456789", "٣", "1000m"])
def test_what_is_no_number_of_milliseconds_is_no_deadline(value: str) -> None:
    """Nobody is refused for a header that was written wrongly."""
    assert deadline.read(value) is None


def test_a_deadline_is_that_of_its_own_thread() -> None:
    """A thread that is started meanwhile has none."""
    others: list[float | None] = []
    with deadline.limited(60):
        other = threading.Thread(target=lambda: others.append(deadline.left_s()))
        other.start()
        other.join(10)
    assert others == [None]
