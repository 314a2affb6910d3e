"""A prepared statement of the facility's driver: a cursor in the database server."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, LiteralString

from psycopg import sql
from psycopg.pq import TransactionStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg import Connection

Row = tuple[Any, ...]

_numbers = itertools.count(1)


class Statement:
    """A query whose cursor is declared in the server, fetched from, and closed there.

    `close` sends `CLOSE` to the server whatever the state of the link, as the driver of the case did, and so raises if the connection
    underneath has died (O2). psycopg's own cursors would hide that: a plain cursor closes without a message to the server, and a
    server-side one sends none once it knows that the link is dead. `lookup/driver_cursor.py` shows when that one raises all the same.
    """

    def __init__(self, connection: Connection[Row], query: LiteralString) -> None:
        self._connection = connection
        self._query = query
        self._name = sql.Identifier(f"statement_{next(_numbers)}")

    def execute(self, parameters: Mapping[str, object]) -> list[Row]:
        """Declare the cursor and return every row; raises psycopg.Error."""
        declare = sql.SQL("DECLARE {} NO SCROLL CURSOR FOR ").format(self._name) + sql.SQL(self._query)
        self._connection.execute(declare, parameters)
        return self._connection.execute(sql.SQL("FETCH ALL FROM {}").format(self._name)).fetchall()

    def close(self) -> None:
        """Close the cursor in the server; raises psycopg.Error if the server does not answer."""
        if self._connection.info.transaction_status is TransactionStatus.INERROR:
            return  # the server is alive, and closed the cursor itself when the transaction failed
        self._connection.execute(sql.SQL("CLOSE {}").format(self._name))
