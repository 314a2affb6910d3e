from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from flight_search import lookup, request_context
from flight_search.datasource import MonitoredDataSource
from flight_search.lookup import nested, unnested
from flight_search.settings import ServerSettings

if TYPE_CHECKING:
    from types import ModuleType

    from flight_search.settings import Lookup

POOL, REQUESTS = 10, 11
FLIGHTS = 48  # from New York to Boston that day, counted in flights.csv
WITHIN_S = 30.0


def requests_at_once(pool: MonitoredDataSource, word: Lookup) -> tuple[list[threading.Thread], list[int]]:
    """Start as many requests; return their threads, and the list to which each adds how many flights it found."""
    found: list[int] = []

    def request() -> None:
        with request_context.request("lookup_by_city"):
            found.append(len(lookup.by_word(word)(pool, ["EWR", "JFK", "LGA"], ["BOS"], "2013-10-08")))

    threads = [threading.Thread(target=request, daemon=True) for _ in range(REQUESTS)]
    for thread in threads:
        thread.start()
    return threads, found


def ended(threads: list[threading.Thread]) -> int:
    """Wait until they have ended, for WITHIN_S each at most; return how many have."""
    for thread in threads:
        thread.join(WITHIN_S)
    return sum(not thread.is_alive() for thread in threads)


@pytest.fixture
def pool(conninfo: str) -> MonitoredDataSource:
    """Return a filled pool of ten without a checkout time-out."""
    source = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=POOL))
    source.fill()
    return source


def ten_at_work_at_once(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
    """Let the work on the rows of the first ten last until all ten are at it."""
    all_ten = threading.Barrier(POOL)
    left = iter(range(POOL))
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=lambda _: None if next(left, None) is None else all_ten.wait(WITHIN_S)))


@pytest.mark.fact("O4", "O7")
def test_ten_nested_lookups_at_once_wait_for_one_another_for_ever(pool: MonitoredDataSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten have a connection each, eleven wait, and nothing has leaked; with two places more, all end: the eleventh may take the first."""
    ten_at_work_at_once(monkeypatch, nested)
    threads, found = requests_at_once(pool, "nested")
    all_wait = threading.Event()
    for _ in range(int(WITHIN_S / 0.01)):
        if pool.state().waiting == REQUESTS or all_wait.wait(0.01):
            break
    state = pool.state()
    assert (state.out, state.in_pool, state.waiting, state.leaked, found) == (POOL, 0, REQUESTS, 0, [])
    assert {connection.checked_out_at[0][0].co_name for connection in pool.out()} == {"lookup_by_city"}
    assert [pool.reclaim(connection) for connection in pool.out()[:2]] == [True, True]
    assert (ended(threads), found) == (REQUESTS, [FLIGHTS] * REQUESTS)
    pool.dispose()


def test_the_same_eleven_with_one_connection_each_are_all_answered(pool: MonitoredDataSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """The eleventh waits for the first to be done."""
    ten_at_work_at_once(monkeypatch, unnested)
    threads, found = requests_at_once(pool, "unnested")
    assert (ended(threads), found) == (REQUESTS, [FLIGHTS] * REQUESTS)
    assert (pool.state().out, pool.state().leaked) == (0, 0)
    pool.dispose()
