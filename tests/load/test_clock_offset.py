from __future__ import annotations

import pytest

from testbed.errors import ServiceError
from testbed.load.clock_offset import ClockOffset, RoundTrip, clock_offset


def trip(asked_s: float, ahead_s: float, there_s: float = 0.001, back_s: float = 0.001) -> RoundTrip:
    """Return a round trip to a clock that is ahead, `there_s` seconds to it and `back_s` back."""
    return RoundTrip(asked_s, asked_s + there_s + ahead_s, asked_s + there_s + back_s)


def test_one_clock_is_not_ahead_of_itself() -> None:
    """Exactly 0, however long the ways took, and however differently."""
    offset = clock_offset([trip(5.0, 0.0, 0.0, 0.08), trip(5.1, 0.0, 0.03, 0.0), trip(5.2, 0.0)])
    assert offset.ahead_s == 0.0
    assert offset.within_s <= 0.001


@pytest.mark.parametrize("ahead_s", [1000.0, -250.5, 0.5])
def test_another_clock_is_known_as_well_as_the_quickest_ways_tell(ahead_s: float) -> None:
    """The slow ones do not blur it, and the truth is within what is said of it."""
    offset = clock_offset([trip(5.0, ahead_s, 0.3, 0.1), trip(5.5, ahead_s, 0.001, 0.003), trip(6.0, ahead_s, 0.1, 0.3)])
    assert offset.within_s == pytest.approx(0.002)
    assert abs(offset.ahead_s - ahead_s) <= offset.within_s + 1e-9


def test_two_quick_ways_in_different_directions_say_more_than_either() -> None:
    """One bounds it from above, the other from below."""
    assert clock_offset([trip(5.0, 100.0, 0.0, 0.5), trip(6.0, 100.0, 0.5, 0.0)]) == ClockOffset(100.0, 0.0)


def test_clocks_that_do_not_go_alike_are_refused() -> None:
    """One that was set between two questions has no offset."""
    with pytest.raises(ServiceError, match=r"do not go alike: 1\.998000 s apart within 2 round trips"):
        clock_offset([trip(5.0, 0.0), trip(6.0, 2.0)])
