from __future__ import annotations

import gc
import socket
import threading
from typing import TYPE_CHECKING, get_args

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from flight_search import lookup, request_context
from flight_search.datasource import MonitoredDataSource, PoolTimeout
from flight_search.settings import Lookup, ServerSettings
from tests.flight_search.services import kill_connections

if TYPE_CHECKING:
    from collections.abc import Iterator

# Connections die and leak here on purpose; psycopg warns about each that is deleted while open.
pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")

FLIGHTS = 48  # from New York to Boston that day, counted in flights.csv
ORIGINS, DESTINATIONS, DATE = ["EWR", "JFK", "LGA"], ["BOS"], "2013-10-08"


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect what a test has lost while its warnings are expected: the next test's would be an error."""
    yield
    gc.collect()


@pytest.fixture
def pool(conninfo: str) -> Iterator[MonitoredDataSource]:
    """Yield a filled pool of three connections with a checkout time-out of a tenth of a second."""
    source = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=3, pool_checkout_timeout_s=0.1))
    source.fill()
    yield source
    source.dispose()


def look_up(pool: MonitoredDataSource, word: str) -> int:
    """Look up flights as a request does; return how many were found."""
    with request_context.request():
        return len(lookup.by_word(word)(pool, ORIGINS, DESTINATIONS, DATE))


@pytest.mark.parametrize("word", [word for word in get_args(Lookup) if not lookup.is_async(word) and not lookup.is_dependent(word)])
def test_a_lookup_finds_the_flights_and_returns_its_connection(conninfo: str, word: Lookup) -> None:
    """While the database is healthy, every lookup finds the flights and leaks nothing."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=3, lookup=word))
    pool.fill()
    assert look_up(pool, word) == FLIGHTS
    assert (pool.state().in_pool, pool.state().out, pool.state().leaked) == (3, 0, 0)
    pool.dispose()


@pytest.mark.variant("original")
@pytest.mark.fact("O2", "O3")
def test_a_lookup_whose_close_fails_never_returns_its_connection_in_original(pool: MonitoredDataSource, conninfo: str) -> None:
    """The statement's close raises on a dead connection, so the connection's close is never reached."""
    kill_connections(conninfo)
    with pytest.raises(psycopg.OperationalError):
        look_up(pool, "original")
    assert (pool.state().out, pool.state().leaked) == (1, 1)


@pytest.mark.fact("O4")
def test_as_many_failed_lookups_as_connections_empty_the_pool(pool: MonitoredDataSource, conninfo: str) -> None:
    """After three failed lookups over a pool of three, the fourth gets no connection, although the database is healthy."""
    kill_connections(conninfo)
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError):
            look_up(pool, "original")
    with pytest.raises(PoolTimeout, match=r"within 0\.10 s: 3 of 3 out"):
        look_up(pool, "original")


@pytest.mark.variant("checkout_timeout")
@pytest.mark.fact("S2")
def test_a_checkout_that_timed_out_leaves_the_pool_usable(pool: MonitoredDataSource) -> None:
    """A checkout raises after its time-out with the pool's state, counts as waiting no more, and succeeds once a connection is in."""
    out = [pool.get_connection() for _ in range(3)]
    with pytest.raises(PoolTimeout, match=r"pool 'cf-1' gave no connection within 0\.10 s: 3 of 3 out"):
        pool.get_connection()
    assert pool.state().waiting == 0
    out.pop().close()
    out.append(pool.get_connection())
    for connection in out:
        connection.close()


@pytest.mark.fact("P2")
def test_connects_that_fail_are_counted_until_one_succeeds(conninfo: str) -> None:
    """Each fails a checkout, which takes no place in the pool, and the last error is kept."""
    nowhere = socket.socket()
    nowhere.bind(("127.0.0.1", 0))  # it never listens, so to connect there is refused
    database = [f"host=127.0.0.1 port={nowhere.getsockname()[1]}"]
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=2), lambda: psycopg.connect(database[0]))
    try:
        for _ in range(3):
            with pytest.raises(psycopg.OperationalError, match="refused"):
                pool.get_connection()
        state = pool.state()
        assert (state.connects_failed, state.out, state.waiting) == (3, 0, 0)
        assert state.connect_error.startswith("OperationalError: connection failed: ")
        assert "Connection refused" in state.connect_error
        database[0] = conninfo
        pool.get_connection().close()
        assert (pool.state().connects_failed, pool.state().connect_error) == (0, "")
    finally:
        nowhere.close()
        pool.dispose()


@pytest.mark.variant("fixed")
@pytest.mark.fact("S1")
def test_a_lookup_whose_close_fails_still_returns_its_connection_in_fixed(pool: MonitoredDataSource, conninfo: str) -> None:
    """Each stale connection fails one lookup and is replaced."""
    kill_connections(conninfo)
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError):
            look_up(pool, "fixed")
    assert look_up(pool, "fixed") == FLIGHTS
    state = pool.state()
    assert (state.out, state.leaked, state.invalidated_total) == (0, 0, 3)


@pytest.fixture
def library_pool(conninfo: str) -> Iterator[MonitoredDataSource]:
    """Yield the same pool with an SQLAlchemy engine over it."""
    settings = ServerSettings(database=conninfo, pool_size=3, pool_checkout_timeout_s=0.1, lookup="sqlalchemy_connection")
    source = MonitoredDataSource(settings)
    source.fill()
    yield source
    source.dispose()


@pytest.mark.variant("sqlalchemy_connection")
@pytest.mark.fact("S1")
def test_sqlalchemy_s_own_connection_leaks_nothing_and_fails_once(library_pool: MonitoredDataSource, conninfo: str) -> None:
    """After one error the library replaces every connection the pool had opened, so no lookup gets another stale one."""
    kill_connections(conninfo)
    with pytest.raises(DBAPIError):
        look_up(library_pool, "sqlalchemy_connection")
    assert [look_up(library_pool, "sqlalchemy_connection") for _ in range(4)] == [FLIGHTS] * 4
    assert (library_pool.state().out, library_pool.state().leaked) == (0, 0)


def test_sqlalchemy_swallows_the_error_of_a_cursor_s_close(library_pool: MonitoredDataSource, conninfo: str) -> None:
    """If the link dies between the rows and the close, where the driver's own cursor raises, the connection's close is reached.

    That close raises too, in its rollback, but by then the library has freed the place in the pool.
    """
    with request_context.request():
        connection = library_pool.sqlalchemy_connection()
        result = connection.execution_options(stream_results=True).exec_driver_sql("SELECT generate_series(1, 100000)")
        assert result.fetchone() == (1,)
        kill_connections(conninfo)
        result.close()
        with pytest.raises(DBAPIError):
            connection.close()
    state = library_pool.state()
    assert (state.out, state.leaked, state.in_pool, state.invalidated_total) == (0, 0, 3, 1)


def test_a_connection_of_sqlalchemy_s_is_tracked_while_it_is_out(library_pool: MonitoredDataSource) -> None:
    """It is in the data source's table, obeys the checkout time-out and counts as leaked if forgotten, like any other."""
    with request_context.request():
        out = [library_pool.sqlalchemy_connection() for _ in range(3)]
        assert (library_pool.state().out, library_pool.state().leaked) == (3, 0)
        with pytest.raises(PoolTimeout, match="3 of 3 out"):
            library_pool.sqlalchemy_connection()
        for connection in out[:2]:
            connection.close()
    gc.collect()
    assert (library_pool.state().out, library_pool.state().leaked, library_pool.state().in_pool) == (1, 1, 2)


def test_garbage_collection_does_not_return_a_leaked_connection(pool: MonitoredDataSource, conninfo: str) -> None:
    """The data source's table of connections out keeps a leaked connection from being collected."""
    kill_connections(conninfo)
    with pytest.raises(psycopg.OperationalError):
        look_up(pool, "original")
    gc.collect()
    assert pool.state().leaked == 1


def test_a_connection_that_died_with_rows_in_hand_leaks_with_the_drivers_own_cursor(conninfo: str) -> None:
    """Psycopg's server-side cursor raises at its close if the link died between the rows and the close."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, lookup_row_work_ms=300))
    pool.fill()
    errors: list[BaseException] = []

    def request() -> None:
        try:
            look_up(pool, "driver_cursor")
        except psycopg.OperationalError as error:
            errors.append(error)

    thread = threading.Thread(target=request)
    thread.start()
    _wait_for_rows(conninfo)
    kill_connections(conninfo)
    thread.join(timeout=10)
    assert len(errors) == 1
    assert pool.state().leaked == 1
    pool.dispose()


def _wait_for_rows(conninfo: str) -> None:
    """Wait until a session has fetched its rows and holds its transaction open, for at most 10,000 queries."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for _ in range(10_000):
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE 'FETCH%'"
            ).fetchone()
            if row and row[0]:
                return
    raise AssertionError("no session had fetched its rows after 10,000 queries")


def test_the_pool_is_full_at_start(pool: MonitoredDataSource) -> None:
    """Every connection is open before the first request, as in the case's pool."""
    assert (pool.state().opened_total, pool.state().in_pool) == (3, 3)


@pytest.mark.variant("pre_ping")
def test_pre_ping_replaces_a_dead_connection_before_it_is_handed_out(conninfo: str) -> None:
    """With pre-ping the original lookup succeeds after a switchover, because it never gets the dead connection."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, pool_pre_ping=True))
    pool.fill()
    kill_connections(conninfo)
    assert look_up(pool, "original") == FLIGHTS
    assert (pool.state().leaked, pool.state().opened_total, pool.state().invalidated_total) == (0, 2, 1)
    pool.dispose()


def checkout_order(pool: MonitoredDataSource) -> list[int]:
    """Check every connection out and in again; return their backend process ids in the order of checkout."""
    out = [pool.get_connection() for _ in range(pool.state().size)]
    pids = [connection.driver.info.backend_pid for connection in out]
    for connection in out:
        connection.close()
    return pids


@pytest.mark.variant("lifo", "fifo")
@pytest.mark.fact("A7")
@pytest.mark.parametrize(("lifo", "position"), [(True, 2), (False, 0)])
def test_the_pool_hands_out_the_last_checked_in_or_the_longest_idle(conninfo: str, *, lifo: bool, position: int) -> None:
    """Last in, first out hands out the connection checked in last; first in, first out the one that has been idle longest."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=3, pool_lifo=lifo))
    pool.fill()
    pids = checkout_order(pool)
    connection = pool.get_connection()
    assert connection.driver.info.backend_pid == pids[position]
    connection.close()
    pool.dispose()


@pytest.mark.variant("recycle")
def test_a_connection_that_is_too_old_is_replaced_at_checkout(conninfo: str) -> None:
    """A connection opened longer ago than `pool_recycle_s` is replaced, so a later lookup does not get a stale one."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, pool_recycle_s=0.05))
    pool.fill()
    kill_connections(conninfo)
    threading.Event().wait(0.06)
    assert look_up(pool, "original") == FLIGHTS
    assert pool.state().opened_total == 2
    pool.dispose()
