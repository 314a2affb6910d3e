"""The lookup that grounded the airline, as it stood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.lookup import QUERY
from flight_search.statement import Row, Statement

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource


def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Return the flights; if the statement's close raises, the connection is never checked in (O3)."""
    connection = data_source.get_connection()
    statement = Statement(connection.driver, QUERY)
    try:
        return statement.execute({"origins": origins, "destinations": destinations, "date": date})
    finally:
        # After a switchover the link is dead, and this close, which talks to the database, raises (O2).
        # The next line is then skipped, and the pool never gets the connection back.
        # Forty such calls, and every later caller waits for ever (O4).
        statement.close()
        connection.close()
