from __future__ import annotations

import psycopg
import pytest

from flight_search import request_context
from flight_search.datasource import MonitoredDataSource
from flight_search.settings import ServerSettings
from flight_search.stability import statement_timeout
from flight_search.statement import Statement


@pytest.mark.variant("statement_timeout")
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


@pytest.mark.fact("O2")
def test_a_statement_that_was_given_up_closes_without_an_error(conninfo: str) -> None:
    """The server is there, so even the case's code returns its connection: this is no way into its leak."""
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


@pytest.mark.parametrize(("asked_for", "given"), [("", "-c statement_timeout=1500"), ("-c a.b=c", "-c a.b=c -c statement_timeout=1500")])
def test_what_the_connection_string_asks_for_is_kept(asked_for: str, given: str) -> None:
    """The limit comes on top of it."""
    assert statement_timeout.options(1.5, f"host=db-1 options='{asked_for}'") == {"options": given}


def test_without_a_limit_the_server_is_told_nothing() -> None:
    """As it was that night."""
    assert statement_timeout.options(None, "host=db-1 options='-c a.b=c'") == {}
