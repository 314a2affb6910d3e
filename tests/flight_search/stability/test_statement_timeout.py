from __future__ import annotations

import psycopg
import pytest

from flight_search import request_context
from flight_search.datasource import MonitoredDataSource
from flight_search.settings import ServerSettings
from flight_search.stability import statement_timeout
from flight_search.statement import Statement


@pytest.mark.variant("statement_timeout")
def test_a_statement_that_takes_too_long_is_cancelled_by_the_server(conninfo: str) -> None:
    """The statement raises QueryCanceled, and its connection stays usable."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, statement_timeout_s=0.05))
    connection = pool.get_connection()
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.driver.execute("SELECT pg_sleep(30)")
    connection.driver.rollback()
    assert connection.driver.execute("SELECT 1").fetchone() == (1,)
    connection.close()
    pool.dispose()


@pytest.mark.fact("O2")
def test_a_cancelled_statement_closes_without_an_error(conninfo: str) -> None:
    """The server is alive, so even the case's code checks its connection in: a cancelled statement leaks nothing."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, statement_timeout_s=0.05))
    with request_context.request():
        connection = pool.get_connection()
        statement = Statement(connection.driver, "SELECT pg_sleep(30)")
        with pytest.raises(psycopg.errors.QueryCanceled):
            statement.execute({})
        statement.close()
        connection.close()
    assert (pool.state().in_pool, pool.state().leaked, pool.state().invalidated_total) == (1, 0, 0)
    pool.dispose()


@pytest.mark.parametrize(
    ("own_options", "options"), [("", "-c statement_timeout=1500"), ("-c a.b=c", "-c a.b=c -c statement_timeout=1500")]
)
def test_the_connection_string_s_own_options_stay(own_options: str, options: str) -> None:
    """The time-out is added to the options of the connection string."""
    assert statement_timeout.options(1.5, f"host=db-1 options='{own_options}'") == {"options": options}


def test_without_a_limit_the_server_gets_no_options() -> None:
    """Without the setting, as on that night, no option is sent."""
    assert statement_timeout.options(None, "host=db-1 options='-c a.b=c'") == {}
