"""Ways to look up flights by city: one way, one file, one word. The setting `lookup = "original"` is `original.py`.

`original.py` is the code that failed, `fixed.py` the code that holds: diff them. `driver_cursor.py` makes the original's
mistake with psycopg's own cursor, `sqlalchemy_connection.py` with SQLAlchemy's own `Connection`. Other mistakes stand beside the
smallest correct way to write the same: `nested.py` and `unnested.py`, `abandoned.py` and `in_transaction.py`, `async_cancelled.py`
and `async_shielded.py`, `dependency.py` and `in_endpoint.py`. Each file has a function `lookup_by_city`, which takes a connection
from `datasource.py` and runs QUERY over it; in two of them it is `async`, and in one FastAPI gives it the connection. Nothing here
imports `endpoints`, `stability` or `callers`.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource, PooledConnection
    from flight_search.statement import Row

QUERY = """
    SELECT to_char(f.date, 'YYYY-MM-DD'), f.carrier, a.name, f.flight, f.origin, f.destination,
           to_char(f.scheduled_departure, 'HH24:MI'), to_char(f.scheduled_arrival, 'HH24:MI'), f.distance_miles, f.seats
    FROM flights f JOIN airlines a ON a.code = f.carrier
    WHERE f.origin = ANY(%(origins)s) AND f.destination = ANY(%(destinations)s) AND f.date = %(date)s
    ORDER BY f.scheduled_departure, f.carrier, f.flight
"""
# The same without the airlines' names, and these by themselves: for `nested` and `unnested`, which ask for them one after the other.
BY_CODE = """
    SELECT to_char(date, 'YYYY-MM-DD'), carrier, flight, origin, destination,
           to_char(scheduled_departure, 'HH24:MI'), to_char(scheduled_arrival, 'HH24:MI'), distance_miles, seats
    FROM flights
    WHERE origin = ANY(%(origins)s) AND destination = ANY(%(destinations)s) AND date = %(date)s
    ORDER BY scheduled_departure, carrier, flight
"""
AIRLINES = "SELECT code, name FROM airlines"


class Lookup(Protocol):
    """Looks up flights from any origin to any destination on a date; raises psycopg.Error (or SQLAlchemy's), PoolTimeout."""

    def __call__(self, data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
        """Return the rows of QUERY."""


class AsyncLookup(Protocol):
    """The same for a task of the event loop."""

    async def __call__(self, data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
        """Return the rows of QUERY."""


STREAMED = ("dependency", "in_endpoint")  # the answers of these are sent piece by piece


class DependentLookup(Protocol):
    """The same over a connection that it is given."""

    def __call__(self, connection: PooledConnection, origins: list[str], destinations: list[str], date: str) -> list[Row]:
        """Return the rows of QUERY."""


def by_word(word: str) -> Lookup:
    """Return the lookup in the file named by a word."""
    lookup: Lookup = _of_file(word)
    return lookup


def is_async(word: str) -> bool:
    """Whether the lookup in the file named by a word is one for a task of the event loop."""
    return inspect.iscoroutinefunction(_of_file(word))


def async_by_word(word: str) -> AsyncLookup:
    """Return the lookup in the file named by a word, which is async."""
    lookup: AsyncLookup = _of_file(word)
    return lookup


def is_dependent(word: str) -> bool:
    """Whether FastAPI gives the lookup in the file named by a word its connection."""
    return word == "dependency"


def dependent_by_word(word: str) -> tuple[DependentLookup, object]:
    """Return the lookup in the file named by a word, to which FastAPI gives its connection, and the annotation by which it does."""
    lookup: DependentLookup = _of_file(word)
    return lookup, importlib.import_module(f"{__name__}.{word}").Connection


def _of_file(word: str) -> Any:
    return importlib.import_module(f"{__name__}.{word}").lookup_by_city
