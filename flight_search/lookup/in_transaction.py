"""The same as `abandoned`, in a block that ends its transaction, whatever comes of it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from flight_search.lookup import QUERY

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.statement import Row

FLIGHTS = f"/* lookup/in_transaction.py */ {QUERY} FOR UPDATE OF f"


def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Return the flights; the transaction ends before the connection is checked in, so that no lock outlives the lookup."""
    with closing(data_source.get_connection()) as connection, connection.driver.transaction():
        return connection.driver.execute(FLIGHTS, {"origins": origins, "destinations": destinations, "date": date}).fetchall()
