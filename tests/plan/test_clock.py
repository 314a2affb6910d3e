from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.plan.clock import NightClock, Pace, clock_text, parse_time, span_text

CLOCK = NightClock(79_200, 3600, (Pace(82_000, 83_000, 100), Pace(90_000, 100_000, 50_000)))


@given(st.floats(min_value=79_200, max_value=120_000))
def test_real_time_and_the_nights_are_inverse(night_s: float) -> None:
    """Whichever pace a time falls into, going to real seconds and back comes to the same time."""
    assert CLOCK.night_s(CLOCK.real_s(night_s)) == pytest.approx(night_s)


@given(st.floats(min_value=0, max_value=100), st.floats(min_value=0, max_value=10))
def test_the_nights_clock_never_goes_back(real_s: float, more_s: float) -> None:
    """Later in real time is never earlier in the night."""
    assert CLOCK.night_s(real_s + more_s) >= CLOCK.night_s(real_s)


def test_an_hour_takes_a_second_at_3600() -> None:
    """Speed is seconds of the night in a real second."""
    assert NightClock(0, 3600).real_s(7200) == 2.0


def test_a_pace_takes_its_own_time_and_no_other() -> None:
    """1,000 seconds of the night at 100 take ten real ones."""
    assert CLOCK.real_s(83_000) - CLOCK.real_s(82_000) == pytest.approx(10.0)


def test_a_time_earlier_than_the_evening_is_next_morning() -> None:
    """05:00 of a night that begins at 22:00 is 29 hours after its date began."""
    assert parse_time("05:00", parse_time("22:00")) == 104_400


@pytest.mark.parametrize("text", ["24:00", "7:00", "12:60", "noon", "12", "12:00:61", "-1:00", "٢٢:٣٠"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    """Only a day's times are times."""
    with pytest.raises(ValueError, match="time of day"):
        parse_time(text)


def test_times_and_spans_read_as_people_say_them() -> None:
    """A clock shows hours of the day; a span shows what matters of it."""
    assert clock_text(104_412) == "05:00:12"
    assert [span_text(span) for span in (42, 125, 18_720)] == ["42 s", "2 min 05 s", "5 h 12 min"]
