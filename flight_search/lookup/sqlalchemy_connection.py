"""The same mistake over SQLAlchemy's own `Connection`: the result is closed and then the connection, with no more care than that.

What the library does for you: a cursor's close that fails is logged and swallowed, so that the connection's is reached;
a `Connection` whose link turns out to be dead gives its place in the pool back at once, even when its own close then
raises; and one such error makes the pool replace every connection that was opened before it, so that the first call
pays for all. What it does not do: a connection that is forgotten for another reason is as lost as anybody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.lookup import QUERY

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.statement import Row


def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Look up flights; SQLAlchemy's own errors are the driver's, wrapped."""
    connection = data_source.sqlalchemy_connection()
    result = None
    try:
        streamed = connection.execution_options(stream_results=True)  # a cursor in the server, so that its close talks to it (O2)
        result = streamed.exec_driver_sql(QUERY, {"origins": origins, "destinations": destinations, "date": date})
        return [tuple(row) for row in result]
    finally:
        if result is not None:
            result.close()  # raises nothing, whatever becomes of it
        connection.close()  # so this is never skipped; its rollback may raise, and the place is back by then
