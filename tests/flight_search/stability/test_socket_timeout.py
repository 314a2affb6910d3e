from __future__ import annotations

import socket
import sys

import pytest

from flight_search.datasource import MonitoredDataSource
from flight_search.settings import ServerSettings


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
