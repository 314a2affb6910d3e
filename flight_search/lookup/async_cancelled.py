"""An async lookup whose clean-up is cancelled: `CancelledError` is a `BaseException`, and passes `except Exception`.

One meets it wherever a task is cancelled from outside: when the client goes away (Starlette cancels the body of a `StreamingResponse`,
and many an endpoint watches for it), when a time-out ends, when a task group fails. In a cancelled scope of anyio every `await` raises,
also those of the clean-up. Whoever wrote it has thought of a close that fails, and of nothing else: the next one is not reached, and each
client that leaves keeps a connection for good. No error is logged, because nothing failed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from anyio import to_thread

from flight_search.lookup import QUERY

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.statement import Row

LOG = logging.getLogger(__name__)


async def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Return the flights; what blocks is done in threads, as the driver is not asynchronous."""
    connection = await data_source.get_connection_in_thread()
    cursor = connection.driver.cursor(name="lookup_by_city")
    try:
        await to_thread.run_sync(cursor.execute, QUERY, {"origins": origins, "destinations": destinations, "date": date})
        return await to_thread.run_sync(cursor.fetchall)
    finally:
        try:
            await to_thread.run_sync(cursor.close)
        except Exception:  # a close that fails must not keep the connection from going back; but what is cancelled is no `Exception`
            LOG.exception("cannot close the cursor")
        await to_thread.run_sync(connection.close)  # and then this is skipped
