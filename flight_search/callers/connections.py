"""A caller's own HTTP connections: only so many to each address, with a table of those that are out, as the servers' data source has.

`requests` gives each address a pool of connections, which by default opens more than its size when all are out. With `pool_block` it does
not, and a call waits for a free one, without limit unless it has a deadline. An answer that is asked for as a stream keeps its connection
until it is read to its end or released; collecting the answer closes the connection, and does not give its place in the pool back.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool

from flight_search import calls, request_context
from flight_search.stability import deadline

if TYPE_CHECKING:
    from flight_search.request_context import RequestContext


@dataclass(frozen=True, eq=False, slots=True)
class ConnectionInUse:
    """A connection that is out of its pool: the request that took it, when (the monotonic clock, in seconds), and the calls that did."""

    connection: object
    thread: int
    request: RequestContext
    since_s: float
    taken_at: tuple[calls.Call, ...]


class ConnectionTable:
    """The connections of a caller that are out of their pools. Thread-safe."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._out: dict[int, ConnectionInUse] = {}

    def take(self, connection: object) -> None:
        """Record that the current thread has taken a connection."""
        row = ConnectionInUse(
            connection, threading.get_ident(), request_context.current(), time.monotonic(), calls.current(beyond=__file__)
        )
        with self._lock:
            self._out[id(connection)] = row

    def give_back(self, connection: object | None) -> None:
        """Record that a connection is back; None stands for one that broke, which is the last that the current thread has taken."""
        with self._lock:
            mine = [key for key, row in self._out.items() if row.thread == threading.get_ident()]
            key = id(connection) if connection is not None else mine[-1] if mine else 0
            self._out.pop(key, None)

    def shown(self) -> dict[str, object]:
        """Return the table for `/admin/about`, the longest out first."""
        with self._lock:
            out = sorted(self._out.values(), key=lambda row: row.since_s)
        return {
            "size": self._size,
            "connections_out": [_row(row) for row in out],
            "sources": calls.sources(row.taken_at[0] for row in out if row.taken_at),
        }


class BoundedAdapter(HTTPAdapter):
    """Sends over at most `size` connections to each of `addresses`, and records who has them; a call waits until one is free."""

    def __init__(self, addresses: int, size: int) -> None:
        self.table = ConnectionTable(addresses * size)
        super().__init__(pool_connections=addresses, pool_maxsize=size, pool_block=True)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Let the pools of this adapter be recorded."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": partial(_RecordedPool, table=self.table)}


class _RecordedPool(HTTPConnectionPool):
    """A pool that records which of its connections are out. urllib3 asks for them, and returns them, in these two methods alone."""

    def __init__(self, *args: Any, table: ConnectionTable, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = table

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(deadline.within(timeout))
        self._table.take(connection)
        return connection

    def _put_conn(self, conn: Any) -> None:
        self._table.give_back(conn)
        super()._put_conn(conn)


def _row(row: ConnectionInUse) -> dict[str, object]:
    """Return a connection that is out, with the fields of one in `/admin/pool` of an application server."""
    return {"connection": id(row.connection), **request_context.in_use(row.request, row.since_s, row.taken_at)}
