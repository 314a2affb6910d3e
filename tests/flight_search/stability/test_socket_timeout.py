from __future__ import annotations

import os
import selectors
import socket
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flight_search.datasource import MonitoredDataSource
from flight_search.settings import ServerSettings
from flight_search.stability import link_limits, socket_timeout
from tests.silent_socket import go_silent

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the options have other names elsewhere")
WITHIN_S = 10.0


class SilentRelay:
    """A relay to PostgreSQL that can go silent, as a cut cable does (`silent_socket.py`)."""

    def __init__(self, conninfo: str) -> None:
        parameters = conninfo_to_dict(conninfo)
        self._server = (str(parameters["host"]), int(parameters["port"] or 0))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.conninfo = make_conninfo(conninfo, host="127.0.0.1", port=self._listener.getsockname()[1])
        threading.Thread(target=self._relay, daemon=True).start()

    def _relay(self) -> None:
        self._near, _ = self._listener.accept()
        far = socket.create_connection(self._server)
        with selectors.DefaultSelector() as waiting, self._near, far:
            waiting.register(self._near, selectors.EVENT_READ, far)
            waiting.register(far, selectors.EVENT_READ, self._near)
            while True:
                for key, _ in waiting.select():
                    read = os.read(key.fd, 1 << 16)
                    if not read:
                        return
                    key.data.sendall(read)

    def go_silent(self) -> None:
        """Drop every packet from now on."""
        go_silent(self._near)

    def cut(self) -> None:
        """End the relay."""
        self._near.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def link(conninfo: str) -> Iterator[SilentRelay]:
    """Yield a link to the database."""
    link = SilentRelay(conninfo)
    yield link
    link.cut()


def pool_of_one(database: str, seconds: float | None = None, **settings: float) -> MonitoredDataSource:
    """Return a pool of one connection with this socket time-out, or limits of the link by themselves."""
    return MonitoredDataSource(ServerSettings(database=database, pool_size=1, socket_timeout_s=seconds, **settings))  # type: ignore[arg-type]


def failure_time_s(
    pool: MonitoredDataSource, link: SilentRelay, statement: LiteralString, *, after_s: float = 0.0, within_s: float = WITHIN_S
) -> float | None:
    """Run a statement over a link that goes silent after `after_s` seconds; return after how many it failed, None if not `within_s`."""
    connection = pool.get_connection()
    connection.driver.execute("SELECT 1")
    failed_s: list[float] = []

    def use() -> None:
        started_s = time.monotonic()
        with pytest.raises(psycopg.OperationalError):
            connection.driver.execute(statement)
        failed_s.append(time.monotonic() - started_s)

    user = threading.Thread(target=use, daemon=True)
    if not after_s:
        link.go_silent()
    user.start()
    if after_s:
        threading.Event().wait(after_s)
        link.go_silent()
    user.join(within_s)
    return failed_s[0] if failed_s else None


def option(driver: psycopg.Connection[tuple[object, ...]], level: int, name: int) -> int:
    """Return an option of a connection's socket, from the kernel."""
    with socket.socket(fileno=os.dup(driver.fileno())) as duplicate:
        return duplicate.getsockopt(level, name)


def test_the_kernel_gets_the_limit_of_silence(conninfo: str) -> None:
    """A connection's socket has TCP_USER_TIMEOUT in milliseconds and keepalive probes in whole seconds."""
    pool = pool_of_one(conninfo, 1.5)
    with closing(pool.get_connection()) as connection:
        assert option(connection.driver, socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1500
        assert option(connection.driver, socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert option(connection.driver, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 2
        assert option(connection.driver, socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 1
        assert option(connection.driver, socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 1
    pool.dispose()


@pytest.mark.variant("socket_timeout")
@pytest.mark.fact("A7")
def test_a_write_into_silence_fails(link: SilentRelay) -> None:
    """A statement whose packets are not acknowledged fails after the limit; the kernel's default is about a quarter of an hour."""
    failed_s = failure_time_s(pool_of_one(link.conninfo, 0.2), link, "SELECT 1")
    assert failed_s is not None
    assert failed_s >= 0.2


@pytest.mark.fact("W4", "A7")
def test_a_read_from_silence_fails(link: SilentRelay) -> None:
    """A statement that waits for its answer fails after the first keepalive probe that is not acknowledged."""
    failed_s = failure_time_s(pool_of_one(link.conninfo, 0.2), link, "SELECT pg_sleep(60)", after_s=0.1)
    assert failed_s is not None
    assert failed_s >= 1.0


@pytest.mark.fact("A7")
def test_without_a_limit_a_write_into_silence_waits_on(link: SilentRelay) -> None:
    """Without a limit, as on that night, a statement still waits when one with a limit has long failed."""
    assert failure_time_s(pool_of_one(link.conninfo, None), link, "SELECT 1", within_s=1.0) is None


def test_connecting_has_the_limit_in_whole_seconds() -> None:
    """Libpq's connect time-out is the limit rounded up, and at least two seconds."""
    assert [socket_timeout.options(seconds)["connect_timeout"] for seconds in (0.2, 2.5)] == [2, 3]


def test_without_a_limit_the_driver_gets_no_options() -> None:
    """Without the setting, as on that night, libpq's defaults hold."""
    assert socket_timeout.options(None) == {}


@pytest.mark.fact("A7")
def test_a_user_timeout_alone_ends_no_read(link: SilentRelay) -> None:
    """A statement whose packets were acknowledged before the silence waits on: nothing of it is under way."""
    pool = pool_of_one(link.conninfo, tcp_user_timeout_s=0.2)
    assert failure_time_s(pool, link, "SELECT pg_sleep(60)", after_s=0.3, within_s=2.0) is None


@pytest.mark.variant("tcp_user_timeout")
@pytest.mark.fact("A7")
def test_a_user_timeout_alone_ends_a_write(link: SilentRelay) -> None:
    """After its time, as `socket_timeout_s` does."""
    failed_s = failure_time_s(pool_of_one(link.conninfo, tcp_user_timeout_s=0.2), link, "SELECT 1")
    assert failed_s is not None
    assert failed_s >= 0.2


@pytest.mark.variant("keepalives")
@pytest.mark.fact("W4", "A7")
def test_keepalives_alone_end_a_read(link: SilentRelay) -> None:
    """After the idle time and as many lost probes as they take."""
    pool = pool_of_one(link.conninfo, keepalives_idle_s=1, keepalives_interval_s=1, keepalives_count=1)
    failed_s = failure_time_s(pool, link, "SELECT pg_sleep(60)", after_s=0.1)
    assert failed_s is not None
    assert failed_s >= 1.0


def test_each_limit_of_the_link_is_the_kernel_s_own(conninfo: str) -> None:
    """Set by themselves, they reach the socket one by one, and what is not set stays the kernel's."""
    pool = pool_of_one(conninfo, tcp_user_timeout_s=2.5)
    with closing(pool.get_connection()) as connection:
        untouched = option(connection.driver, socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
        assert option(connection.driver, socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 2500
        assert untouched != 7
    pool.dispose()
    pool = pool_of_one(conninfo, keepalives_idle_s=4, keepalives_interval_s=5, keepalives_count=7)
    with closing(pool.get_connection()) as connection:
        assert option(connection.driver, socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0
        names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        assert [option(connection.driver, socket.IPPROTO_TCP, name) for name in names] == [4, 5, 7]
    pool.dispose()


def test_what_is_set_by_itself_replaces_its_part_of_the_combination() -> None:
    """`socket_timeout_s` sets all of them; beside it, each setting of its own counts."""
    together = socket_timeout.options(3.0)
    assert link_limits.options(ServerSettings(database="host=db-1", socket_timeout_s=3.0)) == together
    own = ServerSettings(database="host=db-1", socket_timeout_s=3.0, connect_timeout_s=9, keepalives_idle_s=8)
    probes = {"keepalives": 1, "keepalives_idle": 8, "keepalives_interval": 1, "keepalives_count": 3}
    assert link_limits.options(own) == {**together, "connect_timeout": 9, **probes}
    assert link_limits.options(ServerSettings(database="host=db-1")) == {}


@pytest.mark.variant("connect_timeout")
def test_a_server_that_accepts_and_says_nothing_is_given_up_at_the_connect_timeout() -> None:
    """The whole handshake has that time; without it a checkout that opens a connection would hang."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pool = pool_of_one(f"host=127.0.0.1 port={silent.getsockname()[1]} dbname=x", connect_timeout_s=2)
        with pytest.raises(psycopg.OperationalError, match="timeout"):
            pool.get_connection()
