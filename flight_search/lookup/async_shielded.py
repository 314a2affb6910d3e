"""The same as `async_cancelled`, with a clean-up that cannot be cancelled, and each resource closed under its own guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import CancelScope, to_thread

from flight_search.lookup import QUERY

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.statement import Row


async def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Return the flights; the connection is checked in even if the client has gone."""
    connection = await data_source.get_connection_in_thread()
    cursor = connection.driver.cursor(name="lookup_by_city")
    try:
        await to_thread.run_sync(cursor.execute, QUERY, {"origins": origins, "destinations": destinations, "date": date})
        return await to_thread.run_sync(cursor.fetchall)
    finally:
        with CancelScope(shield=True):
            try:
                await to_thread.run_sync(cursor.close)
            finally:
                await to_thread.run_sync(connection.close)
