"""The same mistake over psycopg's own server-side cursor, so that nobody need think that `Statement` was built to fail.

psycopg's cursor keeps silent at its close once it knows that the link is dead. It does not know when the rows came in
before the link died and the close comes after. So this leaks for exactly those lookups that were between their rows
and their close when the database moved; one that begins later fails at its execute, closes in silence and returns its
connection.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flight_search.lookup import QUERY

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.statement import Row


def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Look up flights and work on the rows while the cursor is still open; see the module for when its close raises."""
    connection = data_source.get_connection()
    cursor = connection.driver.cursor(name="lookup_by_city")
    try:
        cursor.execute(QUERY, {"origins": origins, "destinations": destinations, "date": date})
        rows = cursor.fetchall()
        time.sleep(data_source.row_work_s)  # stands for what a service does with its rows: fares, seats, a template
        return rows
    finally:
        cursor.close()  # raises when the link died after the rows came in (O2)
        connection.close()  # and then this is skipped (O3)
