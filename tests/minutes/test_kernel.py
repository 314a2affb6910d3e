"""How long a kernel waits before it raises anything, in real minutes (`pytest -m minutes`)."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from flight_search.callers.remote import RemoteFlightSearch
from flight_search.settings import CallerSettings
from flight_search.stability.call import FacilityFailed
from tests.silent_socket import go_silent, needs_linux

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.minutes, needs_linux]
MINUTE_S = 60.0
COMPOSE_LIMIT_S = 10  # compose.yaml's `connect_timeout`
REQUEST_THREADS = 10
# A connect of libpq's own, in a process of its own: it blocks the whole interpreter.
LIBPQ = "import sys; from psycopg import pq; sys.exit(pq.PGconn.connect(sys.argv[1].encode()).status != pq.ConnStatus.OK)"


@dataclass(slots=True)
class Blocked:
    """A thread that is blocked in a call: after how many seconds it came back, and what it raised; None while it has not."""

    thread: threading.Thread
    took_s: float | None = None
    raised: Exception | None = None


def blocked(call: Callable[[], object]) -> Blocked:
    """Start a call in a thread of its own."""
    began_s = time.monotonic()

    def run() -> None:
        try:
            call()
        except (OSError, psycopg.Error, FacilityFailed, subprocess.SubprocessError) as error:
            waiting.raised = error
        waiting.took_s = time.monotonic() - began_s

    waiting = Blocked(threading.Thread(target=run, daemon=True))
    waiting.thread.start()
    return waiting


def came_back_s(waiting: Blocked, within_s: float) -> float:
    """Wait until a call has come back; return after how many seconds it did."""
    waiting.thread.join(within_s)
    assert waiting.took_s is not None, f"nothing within {within_s:.0f} s"
    return waiting.took_s


def tell(figure: str) -> None:
    """Print what was measured (`-s` shows it)."""
    sys.stdout.write(f"{figure}\n")


@contextmanager
def silent_connection() -> Iterator[socket.socket]:
    """Yield a connection over which a byte has come through, and whose other side has then gone silent."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as near,
        server.accept()[0] as far,
    ):
        near.sendall(b"?")
        assert far.recv(1) == b"?"
        go_silent(far)
        yield near


@pytest.mark.fact("A7")
def test_a_write_into_silence_blocks_for_a_quarter_of_an_hour_and_a_read_for_longer() -> None:
    """The kernel sends again until `tcp_retries2` is used up, and only then raises; meanwhile a read has heard nothing, and waits on.

    The case says half an hour. That is the upper end of what tcp(7) says of the default, 13 to 30 minutes.
    """
    with silent_connection() as writing, silent_connection() as reading:
        reader = blocked(lambda: reading.recv(1))
        writer = blocked(lambda: writing.sendall(bytes(64 << 20)))  # much more than the kernel's buffers take
        took_s = came_back_s(writer, 35 * MINUTE_S)
        tell(f"a write into silence was blocked for {took_s:.1f} s")
        assert isinstance(writer.raised, OSError)
        assert writer.raised.errno == errno.ETIMEDOUT
        assert 13 * MINUTE_S <= took_s <= 30 * MINUTE_S
        assert reader.thread.is_alive()
        reading.shutdown(socket.SHUT_RDWR)


@pytest.mark.fact("A6")
def test_connecting_to_silence_blocks_every_request_thread_for_two_minutes() -> None:
    """Each of a caller's request threads is blocked until the kernel gives up, whereas one with a time-out has its error in a second."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        go_silent(silent)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        unlimited, limited = (
            RemoteFlightSearch(CallerSettings(name="kiosk", flight_search_urls=(url,), call_connect_timeout_s=limit_s))
            for limit_s in (None, 1.0)
        )
        threads = [blocked(lambda: unlimited.lookup_by_city("EWR", "CLT", "2013-10-08")) for _ in range(REQUEST_THREADS)]
        soon = blocked(lambda: limited.lookup_by_city("EWR", "CLT", "2013-10-08"))
        assert came_back_s(soon, MINUTE_S / 6) >= 1.0
        took_s = sorted(came_back_s(thread, 5 * MINUTE_S) for thread in threads)
        tell(f"{REQUEST_THREADS} threads that connected to silence were blocked for {took_s[0]:.1f} to {took_s[-1]:.1f} s")
        assert all(isinstance(thread.raised, FacilityFailed) and "timed out" in str(thread.raised) for thread in threads)
        assert took_s[0] >= MINUTE_S
        assert took_s[-1] <= 3 * MINUTE_S


@pytest.mark.fact("W2", "A4")
def test_a_connect_that_takes_ten_minutes_is_waited_for_without_a_limit(conninfo: str) -> None:
    """PostgreSQL is stopped for ten minutes, and the kernel keeps whoever connects in the queue: libpq waits, and has its connection then.

    psycopg, asked for no limit either, has one of its own, and compose.yaml's is shorter.
    """
    unbounded = make_conninfo(conninfo, connect_timeout=0)
    with stopped_postgres(conninfo):
        libpq = blocked(lambda: subprocess.run([sys.executable, "-c", LIBPQ, unbounded], check=True, timeout=11 * MINUTE_S))
        driver = blocked(lambda: psycopg.connect(unbounded))
        limited = blocked(lambda: psycopg.connect(conninfo, connect_timeout=COMPOSE_LIMIT_S))
        limited_s = came_back_s(limited, 2 * COMPOSE_LIMIT_S)
        libpq.thread.join(10 * MINUTE_S)
        assert libpq.thread.is_alive()
    took_s = came_back_s(libpq, MINUTE_S)
    driver_s = came_back_s(driver, 0.0)
    tell(f"connecting: libpq {took_s:.1f} s; psycopg without a limit failed after {driver_s:.1f} s, with one after {limited_s:.1f} s")
    assert libpq.raised is None
    assert took_s >= 10 * MINUTE_S
    assert isinstance(driver.raised, psycopg.OperationalError)
    assert isinstance(limited.raised, psycopg.OperationalError)
    assert limited_s < driver_s < took_s


@contextmanager
def stopped_postgres(conninfo: str) -> Iterator[None]:
    """Stop the process that accepts connections, until the end of the block."""
    with psycopg.connect(conninfo) as connection:
        directory = connection.execute("SHOW data_directory").fetchone()
    assert directory is not None
    postmaster = int(Path(str(directory[0]), "postmaster.pid").read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(postmaster, signal.SIGCONT)
