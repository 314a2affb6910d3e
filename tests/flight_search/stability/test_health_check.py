from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from flight_search.stability.liveness_probe import RedHealth
from tests.flight_search.services import LOOKUP, WITHIN_S, application_server, call, service, wait_pool

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 1.0  # for what does not come


@contextmanager
def locked_flights(conninfo: str) -> Iterator[None]:
    """Lock the table of flights for as long as the context lasts, as `slow_database` does."""
    with psycopg.connect(conninfo) as session:
        session.execute("LOCK TABLE flights IN ACCESS EXCLUSIVE MODE")
        yield
        session.rollback()


def health(server: httpx.Client) -> int | None:
    """Ask for the health, over a connection of its own; return the status, None without an answer within PATIENCE_S."""
    try:
        return httpx.get(f"{server.base_url}/health", timeout=PATIENCE_S, trust_env=False).status_code
    except httpx.TimeoutException:
        return None


@pytest.mark.variant("health_in_request_thread", "health_of_pool", "health_of_database")
@pytest.mark.parametrize(
    ("word", "free", "one_busy", "all_busy"),
    [
        ("event_loop", 200, 200, 200),
        ("request_thread", 200, 200, None),
        ("pool", 200, None, None),
        ("database", 200, None, None),
    ],
)
@pytest.mark.fact("O8", "C6")
def test_each_health_check_goes_without_an_answer_where_what_it_asks_hangs(
    conninfo: str, hanging: ThreadPoolExecutor, word: str, free: int, one_busy: int | None, all_busy: int | None
) -> None:
    """Two request threads, and a table that is locked: with one of them stuck in it and with both. Afterwards all are green again."""
    with application_server(conninfo, HEALTH_CHECK=word, POOL_SIZE="4") as server:
        assert server.get(LOOKUP).status_code == 200
        assert health(server) == free
        with locked_flights(conninfo):
            stuck = [hanging.submit(call, server)]
            wait_pool(server, out=1)
            assert health(server) == one_busy
            stuck.append(hanging.submit(call, server))
            assert health(server) == all_busy
            assert "request_threads " in server.get("/metrics").text  # the rest of the monitoring has a thread of its own
        assert [future.result(WITHIN_S) for future in stuck] == [200, 200]
        assert server.get("/health").status_code == 200


def test_a_check_of_the_pool_takes_a_thread_and_a_connection_from_the_passengers(conninfo: str) -> None:
    """While the table is locked, a check holds one of each; one over a connection of its own holds neither."""
    for word, taken in (("pool", 1), ("database", 0)):
        with application_server(conninfo, HEALTH_CHECK=word) as server:
            with locked_flights(conninfo):
                assert health(server) is None
                assert wait_pool(server, out=taken)["out"] == taken
                assert f"request_threads_busy {taken}.0" in server.get("/metrics").text
            assert server.get("/health").status_code == 200


def test_checks_that_nobody_waits_for_any_more_do_not_stand_before_the_next(conninfo: str) -> None:
    """Many are given up while the table is locked; once it is free the next is answered at once, after one question to the database."""
    with application_server(conninfo, HEALTH_CHECK="database") as server:
        with locked_flights(conninfo), ThreadPoolExecutor(20) as asking:
            given_up = [asking.submit(health, server) for _ in range(20)]
            assert {future.result(WITHIN_S) for future in given_up} == {None}
            with psycopg.connect(conninfo) as session:
                waiting = session.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
            assert waiting == (1,)
        assert server.get("/health").status_code == 200


def test_a_database_that_says_no_makes_the_check_red_with_its_words(conninfo: str) -> None:
    """And the server may still be well: it is the database that is not."""
    with application_server(conninfo, HEALTH_CHECK="database", POOL_FILL="false", DATABASE=f"{conninfo} password=wrong") as server:
        answer = server.get("/health")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("the database cannot be asked: OperationalError: ")


@pytest.mark.variant("liveness_probe")
def test_a_server_is_replaced_for_the_database_s_slowness(
    conninfo: str, hanging: ThreadPoolExecutor, capfd: pytest.CaptureFixture[str]
) -> None:
    """A call that would have been answered late is cut by a probe that asks the database, and not by one that asks the process."""
    for word, answered in (("event_loop", 200), ("database", None)):
        with application_server(conninfo, service, HEALTH_CHECK=word, LIVENESS_PROBE_S="0.5", LOOKUP="fixed") as server:
            assert server.get(LOOKUP).status_code == 200
            with locked_flights(conninfo):
                late = hanging.submit(call, server)
                if answered is None:
                    assert late.result(WITHIN_S) is None  # cut, and not answered
                else:
                    threading.Event().wait(2 * PATIENCE_S)
            assert late.result(WITHIN_S) == answered
    assert "the health check has not been green for 0." in capfd.readouterr().err


def test_a_probe_counts_from_the_last_green_answer() -> None:
    """Not before it has been asked at all."""
    now_s = 10.0

    async def not_ready() -> str | None:
        return None

    probe = RedHealth(not_ready, lambda: now_s)
    assert probe.sample() == 0.0
    probe._green_s = 9.0  # noqa: SLF001 - as after an answer
    assert probe.sample() == 1.0
    assert probe.reason(1.0) == "the health check has not been green for 1.00 s (no answer yet)"
