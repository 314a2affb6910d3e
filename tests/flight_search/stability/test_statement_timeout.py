from __future__ import annotations

import psycopg
import pytest

from flight_search.datasource import MonitoredDataSource
from flight_search.settings import ServerSettings


def test_a_statement_that_takes_too_long_is_given_up_by_the_server(conninfo: str) -> None:
    """The connection lives on: the server has only ended the statement."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, statement_timeout_s=0.05))
    connection = pool.get_connection()
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.driver.execute("SELECT pg_sleep(30)")
    connection.driver.rollback()
    assert connection.driver.execute("SELECT 1").fetchone() == (1,)
    connection.close()
    pool.dispose()
