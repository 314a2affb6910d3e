"""What the facility does beside looking up flights: status, bookings, check-ins. Written the careful way: it was not these that failed."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, LiteralString

from psycopg.errors import ForeignKeyViolation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flight_search.datasource import MonitoredDataSource

STATUS = """
    SELECT origin, destination, to_char(scheduled_departure, 'HH24:MI'), to_char(scheduled_arrival, 'HH24:MI'),
           (SELECT count(*) FROM bookings b WHERE (b.date, b.carrier, b.flight) = (f.date, f.carrier, f.flight)),
           (SELECT count(*) FROM check_ins c WHERE (c.date, c.carrier, c.flight) = (f.date, f.carrier, f.flight))
    FROM flights f WHERE date = %(date)s AND carrier = %(carrier)s AND flight = %(flight)s
"""
# A booking that is sent again by the same key is one booking: the second gets the first's reference. Without a key, each is its own.
BOOK = """
    INSERT INTO bookings (passenger, date, carrier, flight, idempotency_key)
    VALUES (%(passenger)s, %(date)s, %(carrier)s, %(flight)s, %(key)s)
    ON CONFLICT (idempotency_key) DO UPDATE SET idempotency_key = EXCLUDED.idempotency_key RETURNING reference
"""
# Checking in twice is one check-in: the second gets the first's sequence.
CHECK_IN = """
    INSERT INTO check_ins (passenger, date, carrier, flight)
    VALUES (%(passenger)s, %(date)s, %(carrier)s, %(flight)s)
    ON CONFLICT (date, carrier, flight, passenger) DO UPDATE SET passenger = EXCLUDED.passenger RETURNING sequence
"""


def flight_status(source: MonitoredDataSource, flight: Mapping[str, object]) -> tuple[Any, ...] | None:
    """Give a flight's origin, destination, times, and how many booked and checked in; None when there is no such flight."""
    return _one(source, STATUS, flight)


def book(source: MonitoredDataSource, booking: Mapping[str, object]) -> int | None:
    """Write a booking and give its reference; None when there is no such flight. `key` says which booking it is, None that nobody knows."""
    return _written(source, BOOK, booking)


def check_in(source: MonitoredDataSource, passenger: Mapping[str, object]) -> int | None:
    """Write a check-in and give its sequence; None when there is no such flight."""
    return _written(source, CHECK_IN, passenger)


def _written(source: MonitoredDataSource, query: LiteralString, values: Mapping[str, object]) -> int | None:
    try:
        row = _one(source, query, values)
    except ForeignKeyViolation:
        return None
    assert row is not None, "RETURNING gives a row or raises"
    return int(row[0])


def _one(source: MonitoredDataSource, query: LiteralString, values: Mapping[str, object]) -> tuple[Any, ...] | None:
    with closing(source.get_connection()) as connection:
        row = connection.driver.execute(query, values).fetchone()
        connection.driver.commit()
        return row
