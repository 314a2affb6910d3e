"""The lookup that holds: each resource is closed under its own guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.lookup import QUERY
from flight_search.statement import Row, Statement

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource


def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Look up flights; the connection is returned whatever becomes of the statement (S1)."""
    connection = data_source.get_connection()
    statement = Statement(connection.driver, QUERY)
    try:
        return statement.execute({"origins": origins, "destinations": destinations, "date": date})
    finally:
        # The close may raise (O2); the connection goes back to the pool all the same, which throws the dead one away.
        try:
            statement.close()
        finally:
            connection.close()
