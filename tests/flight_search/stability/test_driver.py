"""The driver's own limits: `statement_timeout` and `socket_timeout`."""

from __future__ import annotations

import socket
import sys

import psycopg
import pytest

from flight_search.datasource import MonitoredDataSource
from flight_search.settings import ServerSettings
from flight_search.stability import socket_timeout, statement_timeout


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


@pytest.mark.skipif(sys.platform != "linux", reason="the options have other names elsewhere")
def test_the_kernel_is_told_how_long_a_link_may_be_silent(conninfo: str) -> None:
    """The socket of a connection has the user time-out in milliseconds, and probes of an idle link in whole seconds."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, socket_timeout_s=1.5))
    connection = pool.get_connection()
    with socket.socket(fileno=socket.dup(connection.driver.fileno())) as seen:  # type: ignore[attr-defined]  # not in the stubs
        assert seen.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1500
        assert seen.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert seen.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 2
    connection.close()
    pool.dispose()


def test_without_a_limit_the_driver_is_told_nothing() -> None:
    """As it was that night."""
    assert (statement_timeout.options(None), socket_timeout.options(None)) == ({}, {})
