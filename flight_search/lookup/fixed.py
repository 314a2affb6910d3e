"""The lookup that holds: each resource is closed under its own guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.lookup import QUERY
from flight_search.statement import Row, Statement

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource


def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Return the flights; the connection is checked in even if the statement's close raises (S1)."""
    connection = data_source.get_connection()
    statement = Statement(connection.driver, QUERY)
    try:
        return statement.execute({"origins": origins, "destinations": destinations, "date": date})
    finally:
        # This close may raise (O2). The connection goes back to the pool all the same, and the pool throws a dead one away.
        try:
            statement.close()
        finally:
            connection.close()
