"""The facility's other operations: flight status, bookings, check-ins. They close their connections correctly: these did not fail."""

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
# A booking repeated with the same key is one booking: the repetition gets the first's reference. Without a key, each is a booking.
BOOK = """
    INSERT INTO bookings (passenger, date, carrier, flight, idempotency_key)
    VALUES (%(passenger)s, %(date)s, %(carrier)s, %(flight)s, %(key)s)
    ON CONFLICT (idempotency_key) DO UPDATE SET idempotency_key = EXCLUDED.idempotency_key RETURNING reference
"""
# A repeated check-in is one check-in: the repetition gets the first's sequence number.
CHECK_IN = """
    INSERT INTO check_ins (passenger, date, carrier, flight)
    VALUES (%(passenger)s, %(date)s, %(carrier)s, %(flight)s)
    ON CONFLICT (date, carrier, flight, passenger) DO UPDATE SET passenger = EXCLUDED.passenger RETURNING sequence
"""


def flight_status(source: MonitoredDataSource, flight: Mapping[str, object]) -> tuple[Any, ...] | None:
    """Return a flight's origin, destination, times, and counts of bookings and check-ins; None if there is no such flight."""
    return _fetch_row(source, STATUS, flight)


def book(source: MonitoredDataSource, booking: Mapping[str, object]) -> int | None:
    """Write a booking and return its reference; None if there is no such flight. `key` identifies the booking; None if nothing does."""
    return _insert(source, BOOK, booking)


def check_in(source: MonitoredDataSource, passenger: Mapping[str, object]) -> int | None:
    """Write a check-in and return its sequence number; None if there is no such flight."""
    return _insert(source, CHECK_IN, passenger)


def _insert(source: MonitoredDataSource, query: LiteralString, values: Mapping[str, object]) -> int | None:
    try:
        row = _fetch_row(source, query, values)
    except ForeignKeyViolation:
        return None
    assert row is not None, "an INSERT … RETURNING returns a row or raises"
    return int(row[0])


def _fetch_row(source: MonitoredDataSource, query: LiteralString, values: Mapping[str, object]) -> tuple[Any, ...] | None:
    with closing(source.get_connection()) as connection:
        row = connection.driver.execute(query, values).fetchone()
        connection.driver.commit()
        return row
