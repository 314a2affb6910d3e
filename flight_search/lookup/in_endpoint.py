"""The same as `dependency`, with a connection that is taken where it is needed, and given back before the answer is sent.

`Depends(…, scope="function")` (FastAPI 0.121) gives it back before the answer, too. But what is not `async` has a thread for the dependency
and then another for the endpoint: whoever has a connection may wait for a thread, while all threads wait for a connection.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from flight_search.lookup import QUERY

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.statement import Row


def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Return the flights; the connection is back before any of them is sent."""
    with closing(data_source.get_connection()) as connection:
        return connection.driver.execute(QUERY, {"origins": origins, "destinations": destinations, "date": date}).fetchall()
