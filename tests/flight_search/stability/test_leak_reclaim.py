from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from flight_search import request_context
from flight_search.datasource import MonitoredDataSource
from flight_search.settings import ServerSettings
from flight_search.stability.leak_reclaim import LeakReclaim
from tests.flight_search.services import LOOKUP, WITHIN_S, application_server, kill_connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")
LIMIT_S = 60.0


@pytest.fixture
def pool(conninfo: str) -> Iterator[MonitoredDataSource]:
    """Yield a pool of one connection without a checkout time-out."""
    source = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1))
    yield source
    source.dispose()


def reclaim_later(pool: MonitoredDataSource, seconds: float = LIMIT_S + 1.0) -> LeakReclaim:
    """Return a LeakReclaim of the pool whose clock is ahead."""
    return LeakReclaim(pool, LIMIT_S, clock=lambda: time.monotonic() + seconds)


def in_thread(do: Callable[[], None]) -> threading.Thread:
    """Run a function as a request, in a thread of its own."""

    def request() -> None:
        with request_context.request():
            do()

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    return thread


@pytest.mark.variant("leak_reclaim")
@pytest.mark.fact("O4")
def test_a_leaked_connection_is_reclaimed_and_a_waiting_thread_goes_on(
    pool: MonitoredDataSource, capsys: pytest.CaptureFixture[str]
) -> None:
    """The place of a leaked connection goes to the thread that waits for one, with a new connection."""
    with request_context.request():
        leaked = pool.get_connection()
    pids = [leaked.driver.info.backend_pid]

    def wait() -> None:
        connection = pool.get_connection()
        pids.append(connection.driver.info.backend_pid)
        connection.close()

    waiting = in_thread(wait)
    reclaim = reclaim_later(pool)
    reclaim.check()
    waiting.join(WITHIN_S)
    assert len(set(pids)) == len(pids) == 2
    assert (reclaim.reclaimed_total, pool.state().leaked, pool.state().out) == (1, 0, 0)
    assert "reclaimed after 61." in capsys.readouterr().err


def test_a_statement_under_way_fails_when_its_connection_is_reclaimed(pool: MonitoredDataSource) -> None:
    """A waiting statement fails at once, and the later close of its connection does nothing."""
    errors: list[psycopg.Error] = []
    using = threading.Event()

    def use() -> None:
        connection = pool.get_connection()
        using.set()
        try:
            connection.driver.execute("SELECT pg_sleep(60)")
        except psycopg.Error as error:
            errors.append(error)
        finally:
            connection.close()

    user = in_thread(use)
    using.wait(WITHIN_S)
    reclaim = reclaim_later(pool)
    reclaim.check()
    user.join(WITHIN_S)
    assert len(errors) == 1
    assert (reclaim.reclaimed_total, pool.state().out, pool.state().in_pool) == (1, 0, 1)


def test_a_request_that_is_not_in_the_database_blocks_no_other(pool: MonitoredDataSource) -> None:
    """Its connection's place is free while the request goes on; its next statement fails."""
    with request_context.request():
        connection = pool.get_connection()
        reclaim_later(pool).check()
        in_thread(lambda: pool.get_connection().close()).join(WITHIN_S)
        assert pool.state().opened_total == 2
        with pytest.raises(psycopg.OperationalError):
            connection.driver.execute("SELECT 1")
        connection.close()
    assert (pool.state().out, pool.state().in_pool) == (0, 1)


def test_a_connection_of_sqlalchemy_s_is_cut_and_checked_in_by_the_library(conninfo: str) -> None:
    """Its next statement fails, and its place in the pool is freed once, not twice."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, lookup="sqlalchemy_connection"))
    with request_context.request():
        connection = pool.sqlalchemy_connection()
        reclaim_later(pool).check()
        with pytest.raises(DBAPIError):
            connection.exec_driver_sql("SELECT 1")
        connection.close()
        assert (pool.state().out, pool.state().in_pool) == (0, 1)
    with request_context.request():
        forgotten = pool.sqlalchemy_connection()
    assert pool.state().leaked == 1
    reclaim_later(pool).check()
    assert (pool.state().leaked, pool.state().in_pool) == (0, 1)
    forgotten.close()
    assert (pool.state().out, pool.state().in_pool) == (0, 1)
    pool.dispose()


def test_a_connection_that_was_just_checked_in_is_not_reclaimed(pool: MonitoredDataSource) -> None:
    """A connection that was checked in, and out again by another request, is not taken from that request."""
    with request_context.request():
        before = pool.get_connection()
        before.close()
        after = pool.get_connection()
        assert not pool.reclaim(before)
        assert after.driver.execute("SELECT 1").fetchone() == (1,)
        after.close()
    assert pool.state().opened_total == 1


def test_a_connection_within_the_limit_is_not_reclaimed(pool: MonitoredDataSource) -> None:
    """A connection that has been out for less than the limit stays usable."""
    with request_context.request():
        connection = pool.get_connection()
        reclaim_later(pool, seconds=LIMIT_S - 30.0).check()
        assert connection.driver.execute("SELECT 1").fetchone() == (1,)
        connection.close()


def test_a_server_that_reclaims_serves_again_after_every_connection_leaked(conninfo: str) -> None:
    """Two stale connections fail two lookups; the third waits until one of them is reclaimed, and is answered."""
    with application_server(conninfo, POOL_LEAK_RECLAIM_S="0.2") as server:
        assert server.get(LOOKUP).status_code == 200
        kill_connections(conninfo)
        assert [server.get(LOOKUP).status_code for _ in range(3)] == [503, 503, 200]
        assert server.get("/admin/pool").json()["reclaimed_total"] >= 1
        assert "pool_reclaimed" in server.get("/metrics").text
