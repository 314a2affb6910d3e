from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from flight_search import running
from flight_search.datasource import MonitoredDataSource
from flight_search.settings import ServerSettings
from flight_search.stability.leak_reclaim import LeakReclaim
from tests.flight_search.services import WITHIN_S, application_server, kill_connections

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")
LOOKUP = "/flights?from=NYC&to=BOS&date=2013-10-08"


@pytest.fixture
def pool(conninfo: str) -> Iterator[MonitoredDataSource]:
    """Give a pool of one connection, and no time-out."""
    source = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1))
    yield source
    source.dispose()


def test_a_leaked_connection_is_taken_back_and_who_waits_for_it_goes_on(pool: MonitoredDataSource) -> None:
    """The request has ended and nobody would return it; its place goes to the thread that waits, with a new connection."""
    with running.request():
        leaked = pool.get_connection()
    pid, got = leaked.driver.info.backend_pid, []

    def wait() -> None:
        with running.request():
            connection = pool.get_connection()
            got.append(connection.driver.info.backend_pid)
            connection.close()

    waiting = threading.Thread(target=wait)
    waiting.start()
    reclaim = LeakReclaim(pool, limit_s=0.0)
    reclaim.look()
    waiting.join(WITHIN_S)
    assert got != [pid]
    assert len(got) == 1
    assert (reclaim.reclaimed_total, pool.state().leaked, pool.state().out) == (1, 0, 0)


def test_a_connection_that_is_in_use_for_too_long_fails_who_uses_it(pool: MonitoredDataSource) -> None:
    """Its statement ends with an error at once, and the connection is still theirs to return."""
    errors: list[BaseException] = []
    using = threading.Event()

    def use() -> None:
        with running.request():
            connection = pool.get_connection()
            using.set()
            try:
                connection.driver.execute("SELECT pg_sleep(60)")
            except psycopg.OperationalError as error:
                errors.append(error)
            finally:
                connection.close()

    user = threading.Thread(target=use)
    user.start()
    using.wait(WITHIN_S)
    reclaim = LeakReclaim(pool, limit_s=0.0)
    while user.is_alive() and not errors:
        reclaim.look()
    user.join(WITHIN_S)
    assert len(errors) == 1
    assert (reclaim.reclaimed_total, pool.state().out) == (0, 0)


def test_a_connection_that_is_out_for_a_moment_is_left_alone(pool: MonitoredDataSource) -> None:
    """Reclaiming goes by time alone."""
    with running.request():
        connection = pool.get_connection()
        LeakReclaim(pool, limit_s=60.0).look()
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
