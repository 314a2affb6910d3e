"""The same lookup in the ordinary SQLAlchemy way, through its `Connection`, with no more care than the case's code took.

What the library does for you: its result closes its cursor without a word to the server; a `Connection` whose link
turns out to be dead is returned all the same; and one such error makes the pool throw away every connection that was
opened before it, so that the first call pays for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.lookup import QUERY

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.statement import Row


def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Look up flights; SQLAlchemy's own errors are the driver's, wrapped."""
    with data_source.sqlalchemy_connection() as connection:
        result = connection.exec_driver_sql(QUERY, {"origins": origins, "destinations": destinations, "date": date})
        return [tuple(row) for row in result]
