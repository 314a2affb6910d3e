"""A second connection while the first is held: a deadlock within the pool, with no fault, no error and no leak.

One meets it where a function takes a connection for itself, and is called by one that has one: a repository, an audit log, a counter of
requests, a transaction of its own within another. Each request needs two connections at once, and gives back neither before it has both.
A pool of ten serves five of them well; ten at once hold a connection each, and wait for another for ever. Whoever comes then, waits too.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from flight_search.lookup import AIRLINES, BY_CODE

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.statement import Row


def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Return the flights, with the airlines' names from a function of its own."""
    with closing(data_source.get_connection()) as connection:
        rows = connection.driver.execute(BY_CODE, {"origins": origins, "destinations": destinations, "date": date}).fetchall()
        time.sleep(data_source.row_work_s)  # stands for what a service does with its rows: fares, seats, a template
        names = airline_names(data_source)  # the first connection is still out
        return [(*row[:2], names[row[1]], *row[2:]) for row in rows]


def airline_names(data_source: MonitoredDataSource) -> dict[str, str]:
    """Return each airline's name by its code."""
    with closing(data_source.get_connection()) as connection:
        return dict(connection.driver.execute(AIRLINES).fetchall())
