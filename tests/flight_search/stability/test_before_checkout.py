from __future__ import annotations

import os
import socket
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from flight_search.datasource import MonitoredDataSource
from flight_search.settings import ServerSettings
from flight_search.stability.bounded_ping import PingTimeout, ping
from tests.flight_search.services import WITHIN_S, application_server, kill_connections
from tests.silent_socket import go_silent_fd, needs_linux

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flight_search.datasource import PooledConnection

PING_S = 0.2
PINGED = {"pool_pre_ping": True, "pool_pre_ping_timeout_s": PING_S}


@contextmanager
def filled(conninfo: str, **settings: object) -> Iterator[MonitoredDataSource]:
    """Yield a pool that is full, of two connections unless it is said otherwise."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, **{"pool_size": 2, **settings}))  # type: ignore[arg-type]
    pool.fill()
    yield pool
    pool.dispose()


def silence(pool: MonitoredDataSource) -> None:
    """Let every connection of a full pool fall silent, as one does that a firewall has forgotten."""
    out = [pool.get_connection() for _ in range(pool.state().size)]
    for connection in out:
        go_silent_fd(connection.driver.fileno())
        connection.close()


def served_by(pool: MonitoredDataSource) -> int:
    """Check a connection out, use it, and check it in; return the database server's process that served it."""
    with closing(pool.get_connection()) as connection:
        assert connection.driver.execute("SELECT 1").fetchone() == (1,)
        connection.driver.rollback()
        return connection.backend_pid


@pytest.mark.variant("bounded_ping")
@needs_linux
@pytest.mark.fact("A7", "W4")
def test_a_connection_that_does_not_answer_in_time_is_replaced(conninfo: str) -> None:
    """Of a pool whose connections are all silent, each costs its own first user the ping's time-out, and all of them are served."""
    with filled(conninfo, **PINGED) as pool:
        silence(pool)
        for replaced in (1, 2):
            served_by(pool)
            assert pool.before_checkout is not None
            assert (pool.before_checkout.pings_timed_out_total, pool.state().opened_total) == (replaced, 2 + replaced)
        served_by(pool)
        assert (pool.state().opened_total, pool.state().invalidated_total, pool.state().leaked) == (4, 2, 0)


@needs_linux
@pytest.mark.fact("A7")
def test_the_library_s_own_ping_hangs_in_the_same_silence(conninfo: str) -> None:
    """Without a limit a checkout still waits when one with a limit has long been served."""
    with filled(conninfo, pool_size=1, pool_pre_ping=True) as pool:
        with closing(pool.get_connection()) as connection:
            driver = connection.driver
        go_silent_fd(driver.fileno())
        taken: list[PooledConnection] = []
        asks = threading.Thread(target=lambda: taken.append(pool.get_connection()))
        asks.start()
        asks.join(5 * PING_S)
        assert (asks.is_alive(), taken) == (True, [])
        with socket.socket(fileno=os.dup(driver.fileno())) as duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)
        asks.join(WITHIN_S)
        assert not asks.is_alive()


def test_one_dead_connection_makes_the_pool_replace_those_before_it(conninfo: str) -> None:
    """With a limit or without one, a switchover costs nobody an error, and no ping waits for it."""
    for limited in (PINGED, {"pool_pre_ping": True}):
        with filled(conninfo, **limited) as pool:
            kill_connections(conninfo)
            assert served_by(pool) != served_by(pool)
            assert (pool.state().opened_total, pool.state().leaked) == (4, 0)


def test_a_ping_leaves_the_connection_as_it_was(conninfo: str) -> None:
    """It is idle, in no transaction, and answers the next statement."""
    with closing(psycopg.connect(conninfo)) as connection:
        ping(connection, PING_S * 100)
        ping(connection, None)
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
        assert connection.execute("SELECT 1").fetchone() == (1,)


@needs_linux
def test_a_ping_without_an_answer_says_so(conninfo: str) -> None:
    """And not that the connection is dead, which nobody knows."""
    with closing(psycopg.connect(conninfo)) as connection:
        go_silent_fd(connection.fileno())
        with pytest.raises(PingTimeout):
            ping(connection, PING_S)


def test_a_connection_that_its_server_has_ended_is_dead(conninfo: str) -> None:
    """Whether the ping finds the server's last words, or nobody at the other end any more."""
    with closing(psycopg.connect(conninfo)) as connection:
        kill_connections(conninfo)
        for _ in range(2):
            with pytest.raises(psycopg.OperationalError):
                ping(connection, WITHIN_S)


@pytest.mark.variant("max_idle")
@pytest.mark.fact("A7")
def test_a_connection_that_rested_too_long_is_replaced_and_one_in_use_is_not(conninfo: str) -> None:
    """Used more often than its limit, a connection lives on past it; after a rest of more, another is opened, and none counts as dead."""
    limit_s = 0.5
    with filled(conninfo, pool_size=1, pool_max_idle_s=limit_s) as pool:
        assert pool.before_checkout is not None
        now_s = 0.0
        pool.before_checkout._clock = lambda: now_s  # noqa: SLF001 - the test's own clock
        first = served_by(pool)
        for _ in range(3):
            now_s += 0.4 * limit_s
            assert served_by(pool) == first
        now_s += 1.1 * limit_s
        assert served_by(pool) != first
        assert pool.before_checkout.rested_total == 1
        assert (pool.state().opened_total, pool.state().invalidated_total, pool.state().in_pool) == (2, 0, 1)


@needs_linux
def test_what_rested_too_long_is_not_pinged(conninfo: str) -> None:
    """A ping without a limit would hang over a connection that was forgotten; as in HikariCP, it is not asked at all."""
    with filled(conninfo, pool_size=1, pool_pre_ping=True, pool_max_idle_s=60.0) as pool:
        silence_of_one(pool)
        assert pool.before_checkout is not None
        pool.before_checkout._clock = lambda: float("inf")  # noqa: SLF001 - the test's own clock
        served_by(pool)
        assert pool.before_checkout.rested_total == 1


def silence_of_one(pool: MonitoredDataSource) -> None:
    """Let the only connection of a pool fall silent; as it has not rested, its own ping is answered before."""
    with closing(pool.get_connection()) as connection:
        go_silent_fd(connection.driver.fileno())


def test_a_server_tells_what_it_replaced(conninfo: str) -> None:
    """Its metrics have both counts where a limit is set; without one, there is nothing to count."""
    for settings, names in (({"POOL_MAX_IDLE_S": "60"}, {"pool_rested", "pool_pings_timed_out"}), ({"POOL_PRE_PING": "true"}, set[str]())):
        with application_server(conninfo, **settings) as server:
            families = {family.name for family in text_string_to_metric_families(server.get("/metrics").text)}
        assert families & {"pool_rested", "pool_pings_timed_out"} == names
