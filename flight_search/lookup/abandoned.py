"""A transaction that nobody ends: its session is idle in transaction, and keeps its locks as long as it is.

psycopg begins a transaction with the first statement, also one that only reads, and nobody commits what only reads. The pool ends it at
the check-in, unless that is turned off to save a round trip (SQLAlchemy's `reset_on_return=None`, here `pool_reset`), or the code keeps
connections of its own. Then the connection lies in the pool, free and well, and what it locked stays locked until somebody else takes it
and commits: a check-in for one of these flights waits, and a vacuum keeps every row that has been deleted since.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from flight_search.lookup import QUERY

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.statement import Row

# The flights are locked, so that what the passenger is shown does not change: of a lock that lasts for a lookup, nobody has anything.
# The comment tells in the database whose statement it is: of a connection that lies in a pool, nothing else does.
FLIGHTS = f"/* lookup/abandoned.py */ {QUERY} FOR UPDATE OF f"


def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Return the flights; the connection is checked in, and its transaction is still open."""
    with closing(data_source.get_connection()) as connection:
        return connection.driver.execute(FLIGHTS, {"origins": origins, "destinations": destinations, "date": date}).fetchall()
