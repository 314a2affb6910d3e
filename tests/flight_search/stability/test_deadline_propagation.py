from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from flight_search import request_context
from flight_search.callers.remote import RemoteFlightSearch
from flight_search.datasource import MonitoredDataSource, PoolTimeout
from flight_search.settings import CallerSettings, ServerSettings
from flight_search.stability import deadline, statement_deadline
from flight_search.stability.call import CallDeadlineExceeded
from flight_search.stability.statement_deadline import StatementDeadlineExceeded
from tests.flight_search.fake_facility import look_up
from tests.flight_search.services import LOOKUP, WITHIN_S, application_server, wait_pool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import ThreadPoolExecutor

ON = {"DEADLINE_PROPAGATION": "true"}


@contextmanager
def flights_locked(conninfo: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Lock the flights, so that every lookup waits; yield the session that has them."""
    with psycopg.connect(conninfo) as session:
        session.execute("LOCK TABLE flights IN ACCESS EXCLUSIVE MODE")
        yield session
        session.rollback()


def pool_of_one(conninfo: str) -> MonitoredDataSource:
    """Return a pool of one connection, without a checkout time-out."""
    return MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, deadline_propagation=True))


def within(milliseconds: int) -> dict[str, str]:
    """Return the header of a request that is waited for for so long."""
    return {deadline.HEADER: str(milliseconds)}


@pytest.mark.variant("deadline_propagation")
def test_a_server_does_not_work_for_who_is_gone(conninfo: str) -> None:
    """When a call's deadline is over, its connection is free, and its statement in the database ends, though what it waits for does not."""
    with application_server(conninfo, **ON) as server, flights_locked(conninfo) as session:
        url = str(server.base_url).rstrip("/")
        flights = RemoteFlightSearch(CallerSettings(name="kiosk", flight_search_urls=(url,), call_deadline_s=0.5))
        with pytest.raises(CallDeadlineExceeded):
            look_up(flights)
        wait_pool(server, out=0, leaked=0, in_pool=2)
        deadline_s = time.monotonic() + WITHIN_S
        while session.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            assert time.monotonic() < deadline_s
            time.sleep(0.05)


def test_without_it_the_server_works_on(conninfo: str, hanging: ThreadPoolExecutor) -> None:
    """As on that night: the header is there, and the connection stays out until the database answers."""
    with application_server(conninfo) as server, flights_locked(conninfo):
        call = hanging.submit(server.get, LOOKUP, headers=within(100))
        wait_pool(server, out=1)
        time.sleep(0.5)
        wait_pool(server, out=1)
        assert not call.done()


def test_a_request_whose_deadline_is_over_when_a_thread_takes_it_is_refused(conninfo: str, hanging: ThreadPoolExecutor) -> None:
    """Before any work, and counted as failed; one that has no deadline, or one that is no number, is answered."""
    with application_server(conninfo, REQUEST_THREADS="1", **ON) as server:
        with flights_locked(conninfo):
            first = hanging.submit(server.get, LOOKUP)
            wait_pool(server, out=1)
            late = hanging.submit(server.get, LOOKUP, headers=within(50))
            time.sleep(0.5)
        assert first.result(WITHIN_S).status_code == 200
        refused = late.result(WITHIN_S)
        assert refused.status_code == 503
        assert refused.json()["detail"].startswith("DeadlineExceeded: refused before any work: the deadline of the call has been over for")
        assert server.get(LOOKUP, headers={deadline.HEADER: "soon"}).status_code == 200
        assert server.get(LOOKUP, headers=within(0)).status_code == 503
        assert server.get("/admin/pool", headers=within(0)).json()["opened_total"] == 2
        assert 'requests_total{operation="lookup_by_city",result="failed"} 2.0' in server.get("/metrics").text


def test_a_checkout_waits_at_most_for_what_is_left(conninfo: str) -> None:
    """Of a pool that has no time-out; nothing is left of what was waited for."""
    pool = pool_of_one(conninfo)
    with request_context.request():
        connection = pool.get_connection()
        with deadline.limited(0.1), pytest.raises(PoolTimeout, match=r"no connection within \d\.\d\d s: 1 of 1 out"):
            pool.get_connection()
        connection.close()
    state = pool.state()
    assert (state.out, state.waiting, state.in_pool) == (0, 0, 1)
    pool.dispose()


def test_a_connection_that_comes_too_late_is_kept_for_the_next_request(conninfo: str) -> None:
    """Nothing is asked over it, and the request is refused; or each would open one, and throw it away."""

    def open_slowly() -> psycopg.Connection[tuple[object, ...]]:
        time.sleep(0.1)
        return psycopg.connect(conninfo)

    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, deadline_propagation=True), open_slowly)
    with request_context.request(), deadline.limited(0.05), pytest.raises(deadline.DeadlineExceeded):
        pool.get_connection()
    state = pool.state()
    assert (state.in_pool, state.out, state.opened_total, state.invalidated_total) == (1, 0, 1, 0)
    pool.dispose()


def test_a_statement_ends_when_nothing_is_left(conninfo: str) -> None:
    """Its connection is thrown away, whether or not it is checked in, and its place is free."""
    pool = pool_of_one(conninfo)
    with request_context.request():
        connection = pool.get_connection()  # before the deadline: how long that takes is up to the machine
        with deadline.limited(0.2), pytest.raises(StatementDeadlineExceeded):
            connection.driver.execute("SELECT pg_sleep(60)")
    state = pool.state()
    assert (state.out, state.leaked, state.in_pool, state.invalidated_total) == (0, 0, 1, 1)
    pool.dispose()


def test_a_connection_that_works_outlives_the_deadline_of_its_request(conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is checked in late, and the rollback of that has time all the same."""
    monkeypatch.setattr(statement_deadline, "LEAST_S", WITHIN_S)  # a busy machine may need longer than a tenth of a second
    pool = pool_of_one(conninfo)
    with request_context.request():
        connection = pool.get_connection()
        with deadline.limited(0.05):
            connection.driver.execute("SELECT 1")
            time.sleep(0.1)
            assert deadline.is_over()
            connection.close()
    state = pool.state()
    assert (state.in_pool, state.opened_total, state.invalidated_total) == (1, 1, 0)
    pool.dispose()
