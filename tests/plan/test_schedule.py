from __future__ import annotations

import datetime
from random import Random
from typing import TYPE_CHECKING

import pytest

from testbed.errors import UsageError
from testbed.plan import schedule
from testbed.plan.clock import DAY_S, HOUR_S, MINUTE_S

if TYPE_CHECKING:
    from pathlib import Path

DATE = datetime.date(2013, 10, 7)
EVENING_S, MORNING_S = 22.0 * HOUR_S, 29.5 * HOUR_S


@pytest.fixture(scope="module")
def flights() -> tuple[schedule.Flight, ...]:
    """Return the flights that people check in for during a night."""
    return schedule.departing(schedule.read(DATE, MORNING_S), EVENING_S, MORNING_S)


def test_the_first_departure_of_the_morning_is_the_real_one(flights: tuple[schedule.Flight, ...]) -> None:
    """US 1843 from Newark to Charlotte leaves at five, with its 199 seats, and nothing before it."""
    first = min((flight for flight in flights if flight.departure_s > DAY_S + 3 * HOUR_S), key=lambda flight: flight.departure_s)
    assert first == schedule.Flight("2013-10-08", "US", 1843, "EWR", "CLT", 29.0 * HOUR_S, 199)


def test_a_flight_with_unknown_seats_gets_a_plausible_number() -> None:
    """No flight is without seats, so none is without passengers."""
    assert all(flight.seats > 0 for flight in schedule.read(DATE, MORNING_S))


def test_people_check_in_in_the_two_hours_before_departure(flights: tuple[schedule.Flight, ...]) -> None:
    """Nobody comes earlier, nobody after the flight has left, and about five seats of six are taken."""
    coming = list(schedule.check_ins(flights, Random(1)))
    before_s = [check_in.flight.departure_s - check_in.at_s for check_in in coming]
    assert 0 <= min(before_s) <= max(before_s) <= 2 * HOUR_S
    assert len(coming) / sum(flight.seats for flight in flights) == pytest.approx(schedule.LOAD_FACTOR, abs=0.01)


def test_most_people_check_in_somewhat_over_an_hour_before(flights: tuple[schedule.Flight, ...]) -> None:
    """The fullest quarter of an hour is the one around the stated peak."""
    quarters = [0] * 8
    for check_in in schedule.check_ins(flights, Random(1)):
        quarters[min(7, int((check_in.flight.departure_s - check_in.at_s) / (15 * MINUTE_S)))] += 1
    assert quarters.index(max(quarters)) in (4, 5)


def test_every_passenger_is_another(flights: tuple[schedule.Flight, ...]) -> None:
    """A passenger's name is a seat on a flight on a date."""
    names = [check_in.passenger for check_in in schedule.check_ins(flights, Random(1))]
    assert len(set(names)) == len(names)


def test_a_night_that_ends_before_midnight_has_those_who_fly_after_it() -> None:
    """Who checks in at 23:30 for a departure of the next day is read, too."""
    assert {flight.date for flight in schedule.read(DATE, 23.5 * HOUR_S)} == {"2013-10-07", "2013-10-08"}


@pytest.mark.parametrize(
    ("date", "missing"), [(datetime.date(2014, 1, 1), "2014-01-01 and 2014-01-02"), (datetime.date(2013, 10, 13), "2013-10-14")]
)
def test_a_night_beyond_the_schedule_is_refused(date: datetime.date, missing: str) -> None:
    """A date without flights is reported with the dates that have some, also if only the morning is missing."""
    with pytest.raises(schedule.NoFlightsError, match=f"no flights on {missing}; allowed: the schedule has 2013-10-07 to 2013-10-13"):
        schedule.read(date, MORNING_S)


@pytest.mark.parametrize("content", [None, "", "date,carrier\n2013-10-07,US\n", "date,seats\n\n2013-10-07,many\n"])
def test_a_damaged_schedule_is_told_with_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None) -> None:
    """A schedule that is missing, empty or of another shape is one clear error."""
    file = tmp_path / "flights.csv"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr(schedule, "path", lambda: file)
    with pytest.raises(UsageError, match=r"the schedule .*flights\.csv cannot be read"):
        schedule.read(DATE, MORNING_S)
