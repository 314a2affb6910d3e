"""The same as `nested`, with one connection for a request: who has one passes it on."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from flight_search.lookup import AIRLINES, BY_CODE

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource, PooledConnection
    from flight_search.statement import Row


def lookup_by_city(data_source: MonitoredDataSource, origins: list[str], destinations: list[str], date: str) -> list[Row]:
    """Return the flights, with the airlines' names from a function of its own."""
    with closing(data_source.get_connection()) as connection:
        rows = connection.driver.execute(BY_CODE, {"origins": origins, "destinations": destinations, "date": date}).fetchall()
        time.sleep(data_source.row_work_s)  # stands for what a service does with its rows: fares, seats, a template
        names = airline_names(connection)
        return [(*row[:2], names[row[1]], *row[2:]) for row in rows]


def airline_names(connection: PooledConnection) -> dict[str, str]:
    """Return each airline's name by its code."""
    return dict(connection.driver.execute(AIRLINES).fetchall())
