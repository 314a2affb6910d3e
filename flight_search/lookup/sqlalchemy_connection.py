"""The original's mistake with SQLAlchemy's own `Connection`: the result is closed and then the connection, without a guard.

What the library does: it logs and swallows an error of a cursor's close, so the connection's close is reached; a
`Connection` whose link turns out to be dead frees its place in the pool at once, even if its own close then raises; and
one such error makes the pool replace every connection that was opened before it, so only the first call fails. What it
does not do: return a connection that the code forgets to close for another reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.lookup import QUERY

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.statement import Row


def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Return the flights; raises SQLAlchemy's errors, which wrap the driver's."""
    connection = data_source.sqlalchemy_connection()
    result = None
    try:
        streamed = connection.execution_options(stream_results=True)  # a cursor in the server, so that its close talks to it (O2)
        result = streamed.exec_driver_sql(QUERY, {"origins": origins, "destinations": destinations, "date": date})
        return [tuple(row) for row in result]
    finally:
        if result is not None:
            result.close()  # never raises
        connection.close()  # so this is always reached; its rollback may raise, but the place in the pool is free by then
