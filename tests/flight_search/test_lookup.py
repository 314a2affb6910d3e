from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from flight_search import lookup, request_context
from flight_search.datasource import MonitoredDataSource, PoolTimeout
from flight_search.settings import Lookup, ServerSettings
from tests.flight_search.services import kill_connections

if TYPE_CHECKING:
    from collections.abc import Iterator

# Connections die and leak here; what psycopg then says of objects that nobody closed is what is being tested.
pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")

FLIGHTS = 48  # from New York to Boston that day, counted in flights.csv
ORIGINS, DESTINATIONS, DATE = ["EWR", "JFK", "LGA"], ["BOS"], "2013-10-08"


@pytest.fixture
def pool(conninfo: str) -> Iterator[MonitoredDataSource]:
    """Give a filled pool of three connections that waits a tenth of a second at most."""
    source = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=3, pool_checkout_timeout_s=0.1))
    source.fill()
    yield source
    source.dispose()


def look_up(pool: MonitoredDataSource, word: str) -> int:
    """Look up flights as a request does; gives how many were found."""
    with request_context.request():
        return len(lookup.by_word(word)(pool, ORIGINS, DESTINATIONS, DATE))


@pytest.mark.parametrize("word", ["original", "fixed", "driver_cursor", "sqlalchemy_connection"])
def test_a_lookup_finds_the_flights_and_returns_its_connection(conninfo: str, word: Lookup) -> None:
    """While the database is well, every way of looking up is as good as the others."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=3, lookup=word))
    pool.fill()
    assert look_up(pool, word) == FLIGHTS
    assert (pool.state().in_pool, pool.state().out, pool.state().leaked) == (3, 0, 0)
    pool.dispose()


@pytest.mark.variant("original")
@pytest.mark.fact("O2", "O3")
def test_a_lookup_whose_close_fails_never_returns_its_connection_in_original(pool: MonitoredDataSource, conninfo: str) -> None:
    """The statement's close raises on a dead connection, and the connection's close is never reached."""
    kill_connections(conninfo)
    with pytest.raises(psycopg.OperationalError):
        look_up(pool, "original")
    assert (pool.state().out, pool.state().leaked) == (1, 1)


@pytest.mark.fact("O4")
def test_as_many_failed_lookups_as_connections_empty_the_pool(pool: MonitoredDataSource, conninfo: str) -> None:
    """After three failures of a pool of three, the fourth lookup gets no connection, however well the database is."""
    kill_connections(conninfo)
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError):
            look_up(pool, "original")
    with pytest.raises(PoolTimeout, match=r"within 0\.10 s: 3 of 3 out"):
        look_up(pool, "original")


@pytest.mark.variant("checkout_timeout")
@pytest.mark.fact("S2")
def test_a_checkout_waits_only_so_long_and_is_none_the_worse_for_it(pool: MonitoredDataSource) -> None:
    """Who waited in vain is told how the pool stands, waits no more, and gets a connection as soon as there is one."""
    taken = [pool.get_connection() for _ in range(3)]
    with pytest.raises(PoolTimeout, match=r"pool 'cf-1' gave no connection within 0\.10 s: 3 of 3 out"):
        pool.get_connection()
    assert pool.state().waiting == 0
    taken.pop().close()
    taken.append(pool.get_connection())
    for connection in taken:
        connection.close()


@pytest.mark.variant("fixed")
@pytest.mark.fact("S1")
def test_a_lookup_whose_close_fails_still_returns_its_connection_in_fixed(pool: MonitoredDataSource, conninfo: str) -> None:
    """Each stale connection costs one error, and is replaced."""
    kill_connections(conninfo)
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError):
            look_up(pool, "fixed")
    assert look_up(pool, "fixed") == FLIGHTS
    state = pool.state()
    assert (state.out, state.leaked, state.invalidated_total) == (0, 0, 3)


@pytest.fixture
def library_pool(conninfo: str) -> Iterator[MonitoredDataSource]:
    """Give the same pool with an engine over it."""
    settings = ServerSettings(database=conninfo, pool_size=3, pool_checkout_timeout_s=0.1, lookup="sqlalchemy_connection")
    source = MonitoredDataSource(settings)
    source.fill()
    yield source
    source.dispose()


@pytest.mark.variant("sqlalchemy_connection")
@pytest.mark.fact("S1")
def test_sqlalchemy_s_own_connection_loses_nothing_and_pays_once(library_pool: MonitoredDataSource, conninfo: str) -> None:
    """One error, and the library throws away whatever the pool opened before it: of three stale connections none is met again."""
    kill_connections(conninfo)
    with pytest.raises(DBAPIError):
        look_up(library_pool, "sqlalchemy_connection")
    assert [look_up(library_pool, "sqlalchemy_connection") for _ in range(4)] == [FLIGHTS] * 4
    assert (library_pool.state().out, library_pool.state().leaked) == (0, 0)


def test_sqlalchemy_swallows_what_a_cursor_says_when_it_is_closed(library_pool: MonitoredDataSource, conninfo: str) -> None:
    """The link dies between the rows and the close, where the driver's own cursor raises: the connection's close is reached.

    That raises in its turn, in its rollback, but the library has given the place back by then.
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


def test_a_connection_of_sqlalchemy_s_is_watched_while_it_is_out(library_pool: MonitoredDataSource) -> None:
    """It is in the data source's table like any other, waits for its turn like any other, and forgotten it is leaked like any other."""
    with request_context.request():
        taken = [library_pool.sqlalchemy_connection() for _ in range(3)]
        assert (library_pool.state().out, library_pool.state().leaked) == (3, 0)
        with pytest.raises(PoolTimeout, match="3 of 3 out"):
            library_pool.sqlalchemy_connection()
        for connection in taken[:2]:
            connection.close()
    gc.collect()
    assert (library_pool.state().out, library_pool.state().leaked, library_pool.state().in_pool) == (1, 1, 2)


def test_the_leak_holds_because_the_data_source_holds_on(pool: MonitoredDataSource, conninfo: str) -> None:
    """Collecting garbage gives nothing back: the table of connections out is what makes the leak a leak."""
    kill_connections(conninfo)
    with pytest.raises(psycopg.OperationalError):
        look_up(pool, "original")
    gc.collect()
    assert pool.state().leaked == 1


def test_a_connection_that_died_with_rows_in_hand_leaks_with_the_drivers_own_cursor(conninfo: str) -> None:
    """Psycopg's server-side cursor raises at its close when the link died between the rows and the close."""
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
    assert errors
    assert pool.state().leaked == 1
    pool.dispose()


def _wait_for_rows(conninfo: str) -> None:
    """Wait until a session has fetched and holds its transaction open; bounded by the statement's own count."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for _ in range(10_000):
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE 'FETCH%'"
            ).fetchone()
            if row and row[0]:
                return
    raise AssertionError("no session was seen with its rows fetched")


def test_the_pool_is_full_at_start(pool: MonitoredDataSource) -> None:
    """Every connection is open before the first request, as in the case's pool."""
    assert (pool.state().opened_total, pool.state().in_pool) == (3, 3)


@pytest.mark.variant("pre_ping")
def test_pre_ping_replaces_a_dead_connection_before_it_is_lent(conninfo: str) -> None:
    """With pre-ping, the original's mistake is never met: the dead connection is not handed out."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, pool_pre_ping=True))
    pool.fill()
    kill_connections(conninfo)
    assert look_up(pool, "original") == FLIGHTS
    assert (pool.state().leaked, pool.state().opened_total, pool.state().invalidated_total) == (0, 2, 1)
    pool.dispose()


def opened_at(pool: MonitoredDataSource) -> list[int]:
    """Take every connection out and put it back; gives their numbers in the server, in the order in which the pool gave them."""
    taken = [pool.get_connection() for _ in range(pool.state().size)]
    pids = [one.driver.info.backend_pid for one in taken]
    for one in taken:
        one.close()
    return pids


@pytest.mark.variant("lifo", "fifo")
@pytest.mark.fact("A7")
@pytest.mark.parametrize(("lifo", "given"), [(True, 2), (False, 0)])
def test_the_pool_gives_the_last_that_came_back_or_the_one_that_rested_longest(conninfo: str, *, lifo: bool, given: int) -> None:
    """Last in, first out leaves most connections idle under light traffic; first in, first out uses each in turn (A7)."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=3, pool_lifo=lifo))
    pool.fill()
    pids = opened_at(pool)
    connection = pool.get_connection()
    assert connection.driver.info.backend_pid == pids[given]
    connection.close()
    pool.dispose()


@pytest.mark.variant("recycle")
def test_a_connection_that_is_too_old_is_replaced_when_it_is_taken(conninfo: str) -> None:
    """Recycled by age since it was opened, dead or alive; a stale one is never met by a request that comes late enough."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, pool_recycle_s=0.05))
    pool.fill()
    kill_connections(conninfo)
    threading.Event().wait(0.06)
    assert look_up(pool, "original") == FLIGHTS
    assert pool.state().opened_total == 2
    pool.dispose()
