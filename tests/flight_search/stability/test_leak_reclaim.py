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

    from flight_search.datasource import PooledConnection

pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")
LIMIT_S = 60.0


@pytest.fixture
def pool(conninfo: str) -> Iterator[MonitoredDataSource]:
    """Give a pool of one connection, and no time-out."""
    source = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1))
    yield source
    source.dispose()


def later(pool: MonitoredDataSource, seconds: float = LIMIT_S + 1.0) -> LeakReclaim:
    """Give a reclaim of the pool by a clock that is ahead."""
    return LeakReclaim(pool, LIMIT_S, clock=lambda: time.monotonic() + seconds)


def in_thread(do: Callable[[], None]) -> threading.Thread:
    """Do something as a request, in a thread of its own."""

    def request() -> None:
        with request_context.request():
            do()

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    return thread


@pytest.mark.variant("leak_reclaim")
@pytest.mark.fact("O4")
def test_a_leaked_connection_is_taken_back_and_who_waits_for_it_goes_on(
    pool: MonitoredDataSource, capsys: pytest.CaptureFixture[str]
) -> None:
    """The request has ended and nobody would return it; its place goes to the thread that waits, with a new connection."""
    with request_context.request():
        leaked = pool.get_connection()
    pid, got = leaked.driver.info.backend_pid, []

    def wait() -> None:
        connection = pool.get_connection()
        got.append(connection.driver.info.backend_pid)
        connection.close()

    waiting = in_thread(wait)
    reclaim = later(pool)
    reclaim.look()
    waiting.join(WITHIN_S)
    assert len({pid, *got}) == 2
    assert (reclaim.reclaimed_total, pool.state().leaked, pool.state().out) == (1, 0, 0)
    assert "taken back after 61." in capsys.readouterr().err


def test_who_waits_for_the_database_gets_an_error_when_the_connection_is_taken_back(pool: MonitoredDataSource) -> None:
    """Its statement fails at once, and what it then gives back is nobody's any more."""
    errors: list[psycopg.Error] = []
    lent: list[PooledConnection] = []
    using = threading.Event()

    def use() -> None:
        connection = pool.get_connection()
        lent.append(connection)
        using.set()
        try:
            connection.driver.execute("SELECT pg_sleep(60)")
        except psycopg.Error as error:
            errors.append(error)
        finally:
            connection.close()

    user = in_thread(use)
    using.wait(WITHIN_S)
    reclaim = later(pool)
    reclaim.look()
    user.join(WITHIN_S)
    assert len(errors) == 1
    assert (reclaim.reclaimed_total, pool.state().out, pool.state().in_pool) == (1, 0, 1)


def test_who_does_something_else_meanwhile_holds_nobody_up(pool: MonitoredDataSource) -> None:
    """The place is free although the request goes on; that gets an error when it next speaks to the database."""
    with request_context.request():
        connection = pool.get_connection()
        later(pool).look()
        in_thread(lambda: pool.get_connection().close()).join(WITHIN_S)
        assert pool.state().opened_total == 2
        with pytest.raises(psycopg.OperationalError):
            connection.driver.execute("SELECT 1")
        connection.close()
    assert (pool.state().out, pool.state().in_pool) == (0, 1)


def test_what_sqlalchemy_has_is_cut_and_given_back_by_the_library(conninfo: str) -> None:
    """Its next word to the database fails, and the place is free once, not twice."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, lookup="sqlalchemy_connection"))
    with request_context.request():
        connection = pool.sqlalchemy_connection()
        later(pool).look()
        with pytest.raises(DBAPIError):
            connection.exec_driver_sql("SELECT 1")
        connection.close()
        assert (pool.state().out, pool.state().in_pool) == (0, 1)
    with request_context.request():
        forgotten = pool.sqlalchemy_connection()
    assert pool.state().leaked == 1
    later(pool).look()
    assert (pool.state().leaked, pool.state().in_pool) == (0, 1)
    forgotten.close()
    assert (pool.state().out, pool.state().in_pool) == (0, 1)
    pool.dispose()


def test_a_connection_that_came_back_in_this_moment_is_left_alone(pool: MonitoredDataSource) -> None:
    """Between the look at what is out and the taking back it may be anybody's; nobody loses it."""
    with request_context.request():
        before = pool.get_connection()
        before.close()
        after = pool.get_connection()
        assert not pool.reclaim(before)
        assert after.driver.execute("SELECT 1").fetchone() == (1,)
        after.close()
    assert pool.state().opened_total == 1


def test_a_connection_that_is_out_for_a_moment_is_left_alone(pool: MonitoredDataSource) -> None:
    """Reclaiming goes by time alone."""
    with request_context.request():
        connection = pool.get_connection()
        later(pool, seconds=LIMIT_S - 30.0).look()
        assert connection.driver.execute("SELECT 1").fetchone() == (1,)
        connection.close()


def test_a_server_that_reclaims_serves_again_after_every_connection_leaked(conninfo: str) -> None:
    """Two stale connections cost two errors; the third lookup waits until one of them is taken back, and is answered."""
    with application_server(conninfo, POOL_LEAK_RECLAIM_S="0.2") as server:
        assert server.get(LOOKUP).status_code == 200
        kill_connections(conninfo)
        assert [server.get(LOOKUP).status_code for _ in range(3)] == [503, 503, 200]
        assert server.get("/admin/pool").json()["reclaimed_total"] >= 1
        assert "pool_reclaimed" in server.get("/metrics").text
