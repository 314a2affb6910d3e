"""A connection from FastAPI's `Depends`: it is given back when the last byte of the answer is sent, and not when its rows are read.

One meets it in any service that streams what it found, or whose clients read slowly: the pool is empty, and the database has nothing to do.
Where the next piece of a body needs a request thread, and all of them wait for a connection, no body ends any more: a deadlock. FastAPI
runs what stands after `yield` when the answer is sent since 0.118, as it did before 0.106; from 0.106 to 0.117 it ran before that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from flight_search.datasource import PooledConnection
from flight_search.lookup import QUERY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flight_search.statement import Row


def connection_of(request: Request) -> Iterator[PooledConnection]:
    """Yield a connection of the server's pool to a request."""
    connection = request.app.state.data_source.get_connection()
    try:
        yield connection
    finally:
        connection.close()  # after the answer, however long that takes


Connection = Annotated[PooledConnection, Depends(connection_of)]


def lookup_by_city(connection: PooledConnection, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Return the flights."""
    return connection.driver.execute(QUERY, {"origins": origins, "destinations": destinations, "date": date}).fetchall()
