"""Ways to look up flights by city: the code that failed, the code that holds, and others. One way, one file, one word.

`LOOKUP=original` is `original.py` in this directory; each has one function, `lookup_by_city`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.statement import Row

QUERY = """
    SELECT to_char(f.date, 'YYYY-MM-DD'), f.carrier, a.name, f.flight, f.origin, f.destination,
           to_char(f.scheduled_departure, 'HH24:MI'), to_char(f.scheduled_arrival, 'HH24:MI'), f.distance_miles, f.seats
    FROM flights f JOIN airlines a ON a.code = f.carrier
    WHERE f.origin = ANY(%(origins)s) AND f.destination = ANY(%(destinations)s) AND f.date = %(date)s
    ORDER BY f.scheduled_departure, f.carrier, f.flight
"""


class Lookup(Protocol):
    """Looks up flights from any of some airports to any of others on a date; raises psycopg.Error (or SQLAlchemy's), PoolTimeout."""

    def __call__(self, data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
        """Give the rows of QUERY."""


def by_word(word: str) -> Lookup:
    """Give the lookup of a word."""
    lookup: Lookup = importlib.import_module(f"{__name__}.{word}").lookup_by_city
    return lookup
