"""The real schedule, and the check-ins that follow from it (data: see `flight_search/data/README.md`)."""

from __future__ import annotations

import csv
import datetime
import functools
import importlib.util
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from testbed.errors import UsageError
from testbed.plan.clock import DAY_S, MINUTE_S, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

LOAD_FACTOR = 0.83  # of seats that are taken: US carriers, 2013, about (US DOT Bureau of Transportation Statistics, T-100)
# People check in in the two hours before departure; most of them somewhat over an hour before. The span is the project's; its middle
# is our assumption: the data says nothing about it.
CHECK_IN_FROM_MIN = 120.0
CHECK_IN_MOST_MIN = 75.0


@dataclass(frozen=True, slots=True)
class Flight:
    """A scheduled flight; `departure_s` in seconds of the night that the schedule was read for."""

    date: str
    carrier: str
    flight: int
    origin: str
    destination: str
    departure_s: float
    seats: int


class NoFlightsError(UsageError):
    """A night is beyond the schedule; the message says which dates that has."""


class CheckIn(NamedTuple):
    """A passenger's seat on a flight, and when they come to check in, in seconds of the night.

    A tuple: a night has tens of thousands of them, and a frozen record takes twice as long to make.
    """

    at_s: float
    passenger: str
    flight: Flight


def path() -> Path:
    """Return the schedule's file, in the service's data, without importing the service; raises UsageError when it is not installed."""
    spec = importlib.util.find_spec("flight_search")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError("the package flight_search is not installed; pip install -e . in the project's directory")
    return Path(spec.submodule_search_locations[0]) / "data" / "flights.csv"


def read(date: datetime.date, to_s: float) -> tuple[Flight, ...]:
    """Read the flights for which people check in from a date to `to_s` seconds after its midnight.

    A flight without a known number of seats gets the median. Raises NoFlightsError when the schedule ends earlier, and UsageError when
    it cannot be read.
    """
    file = path()
    try:
        return _read(file, date, to_s)
    except (OSError, KeyError, TypeError, ValueError) as error:  # the file is missing, or is no schedule
        raise UsageError(f"the schedule {file} cannot be read: {type(error).__name__}: {error}; install the project again") from error


@functools.lru_cache(maxsize=8)  # a matrix reads the same few nights for every scenario, and the file belongs to the installation
def _read(path: Path, date: datetime.date, to_s: float) -> tuple[Flight, ...]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    median = round(statistics.median(int(row["seats"]) for row in rows if row["seats"]))
    dates = sorted({row["date"] for row in rows})
    needed, reached = (int(end_s // DAY_S) + 1 for end_s in (to_s, to_s + CHECK_IN_FROM_MIN * MINUTE_S))
    last = min(reached, datetime.date.max.toordinal() - date.toordinal() + 1)  # the calendar ends
    offsets = {(date + datetime.timedelta(days=day)).isoformat(): day * DAY_S for day in range(last)}
    missing = [iso_date for iso_date in list(offsets)[:needed] if iso_date not in dates]
    if missing:
        raise NoFlightsError(f"no flights on {' and '.join(missing)}; allowed: the schedule has {dates[0]} to {dates[-1]}")
    return tuple(
        Flight(
            row["date"],
            row["carrier"],
            int(row["flight"]),
            row["origin"],
            row["destination"],
            offsets[row["date"]] + parse_time(row["scheduled_departure"]),
            int(row["seats"] or median),
        )
        for row in rows
        if row["date"] in offsets
    )


def departing(flights: tuple[Flight, ...], from_s: float, to_s: float) -> tuple[Flight, ...]:
    """Return the flights whose passengers can check in between two times of the night."""
    latest_s = to_s + CHECK_IN_FROM_MIN * MINUTE_S
    return tuple(flight for flight in flights if from_s < flight.departure_s <= latest_s)


def check_ins(flights: tuple[Flight, ...], random: Random) -> Iterator[CheckIn]:
    """Yield every passenger of every flight, and when they check in."""
    for flight in flights:
        departure_s, named = flight.departure_s, f"{flight.carrier}{flight.flight}-{flight.date}"
        for seat in range(1, round(flight.seats * LOAD_FACTOR) + 1):
            before_min = _triangular(random.random(), CHECK_IN_FROM_MIN, CHECK_IN_MOST_MIN)
            yield CheckIn(departure_s - before_min * MINUTE_S, f"{named}-{seat:03}", flight)


def _triangular(share: float, most: float, peak: float) -> float:
    """Return the quantile of a share in [0, 1): a number in [0, `most`), triangularly distributed with its mode at `peak`.

    Written out, because a seed must mean the same passengers on every version of Python.
    """
    turn = peak / most
    if share < turn:
        return float((share * most * peak) ** 0.5)
    return float(most - ((1 - share) * most * (most - peak)) ** 0.5)
