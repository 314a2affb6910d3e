from __future__ import annotations

import ctypes
import os
import selectors
import socket
import struct
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
from flight_search.stability import socket_timeout

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the options have other names elsewhere")
SO_ATTACH_FILTER = 26  # asm-generic/socket.h
DROP = struct.pack("HBBI", 0x06, 0, 0, 0)  # a socket filter of one instruction: return 0, which is to keep nothing of the packet
WITHIN_S = 10.0


class Link:
    """A link to PostgreSQL, here a relay, which can go silent as a cut cable does.

    The kernel is made to drop whatever reaches the relay's side of it, before TCP sees it: nothing is acknowledged any more, and
    nothing is refused or closed. No toxic of the fault proxy does that, nor does a process that is stopped: their kernel goes on
    acknowledging.
    """

    def __init__(self, conninfo: str) -> None:
        given = conninfo_to_dict(conninfo)
        self._server = (str(given["host"]), int(given["port"] or 0))
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
        """Let nothing through any more, and say nothing of it to anybody."""
        program = ctypes.create_string_buffer(DROP)
        self._near.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(program)))

    def cut(self) -> None:
        """End it."""
        self._near.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def link(conninfo: str) -> Iterator[Link]:
    """Give a link to the database."""
    link = Link(conninfo)
    yield link
    link.cut()


def connected(database: str, seconds: float | None) -> MonitoredDataSource:
    """Give a pool of one connection with this limit."""
    return MonitoredDataSource(ServerSettings(database=database, pool_size=1, socket_timeout_s=seconds))


def given_up(
    pool: MonitoredDataSource, link: Link, statement: LiteralString, *, after_s: float = 0.0, within_s: float = WITHIN_S
) -> float | None:
    """Run a statement over a link that goes silent `after_s` seconds into it, or before it; gives when it failed, None when it did not."""
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
    """Ask the kernel for an option of a connection's socket."""
    with socket.socket(fileno=os.dup(driver.fileno())) as seen:
        return seen.getsockopt(level, name)


def test_the_kernel_is_told_how_long_a_link_may_be_silent(conninfo: str) -> None:
    """The socket of a connection has the user time-out in milliseconds, and probes of an idle link in whole seconds."""
    pool = connected(conninfo, 1.5)
    with closing(pool.get_connection()) as connection:
        assert option(connection.driver, socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1500
        assert option(connection.driver, socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert option(connection.driver, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 2
        assert option(connection.driver, socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 1
        assert option(connection.driver, socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 1
    pool.dispose()


@pytest.mark.variant("socket_timeout")
@pytest.mark.fact("A7")
def test_a_write_into_silence_is_given_up(link: Link) -> None:
    """A statement that nobody acknowledges fails after the limit; the kernel's own patience is a quarter of an hour."""
    failed_s = given_up(connected(link.conninfo, 0.2), link, "SELECT 1")
    assert failed_s is not None
    assert failed_s >= 0.2


@pytest.mark.fact("W4", "A7")
def test_a_read_from_silence_is_given_up(link: Link) -> None:
    """Who has sent all and waits for an answer is told by the first probe that nobody acknowledges."""
    failed_s = given_up(connected(link.conninfo, 0.2), link, "SELECT pg_sleep(60)", after_s=0.1)
    assert failed_s is not None
    assert failed_s >= 1.0


@pytest.mark.fact("A7")
def test_without_a_limit_a_write_into_silence_waits_on(link: Link) -> None:
    """As it was that night: when those with a limit have long given up, it has not."""
    assert given_up(connected(link.conninfo, None), link, "SELECT 1", within_s=1.0) is None


def test_who_connects_waits_only_so_long() -> None:
    """A host that takes the connection and never says a word is given up after two seconds at least: libpq allows no less."""
    assert [socket_timeout.options(seconds)["connect_timeout"] for seconds in (0.2, 2.5)] == [2, 3]


def test_without_a_limit_the_driver_is_told_nothing() -> None:
    """As it was that night."""
    assert socket_timeout.options(None) == {}
