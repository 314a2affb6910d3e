from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from flight_search import lookup, running
from flight_search.datasource import MonitoredDataSource, NoConnection
from flight_search.settings import ServerSettings

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
    with running.request():
        return len(lookup.load(word)(pool, ORIGINS, DESTINATIONS, DATE))


def kill_connections(conninfo: str) -> None:
    """End every other session in the server, as its stop does in a switchover."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


@pytest.mark.parametrize("word", ["original", "fixed", "driver_cursor"])
def test_a_lookup_finds_the_flights_and_returns_its_connection(pool: MonitoredDataSource, word: str) -> None:
    """While the database is well, every way of looking up is as good as the others."""
    assert look_up(pool, word) == FLIGHTS
    assert (pool.state().in_pool, pool.state().out, pool.state().leaked) == (3, 0, 0)


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
    with pytest.raises(NoConnection, match=r"within 0\.10 s: 3 of 3 out"):
        look_up(pool, "original")


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


def test_pre_ping_replaces_a_dead_connection_before_it_is_lent(conninfo: str) -> None:
    """With pre-ping, the original's mistake is never met: the dead connection is not handed out."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, pool_pre_ping=True))
    pool.fill()
    kill_connections(conninfo)
    assert look_up(pool, "original") == FLIGHTS
    assert pool.state().leaked == 0
    pool.dispose()
