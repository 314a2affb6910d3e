"""The original's mistake with psycopg's own server-side cursor, to show that `Statement` was not built to fail.

psycopg's cursor sends nothing at its close once it knows that the link is dead. It does not know if the rows arrived
before the link died and the close comes after. So this leaks exactly those lookups that were between their rows and
their close at the switchover; a lookup that begins later fails at its execute, closes without a message, and checks
its connection in.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flight_search.lookup import QUERY

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.statement import Row


def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Return the flights, after work on the rows while the cursor is still open; the module says when its close raises."""
    connection = data_source.get_connection()
    cursor = connection.driver.cursor(name="lookup_by_city")
    try:
        cursor.execute(QUERY, {"origins": origins, "destinations": destinations, "date": date})
        rows = cursor.fetchall()
        time.sleep(data_source.row_work_s)  # stands for what a service does with its rows: fares, seats, a template
        return rows
    finally:
        cursor.close()  # raises if the link died after the rows arrived (O2)
        connection.close()  # and then this is skipped (O3)
