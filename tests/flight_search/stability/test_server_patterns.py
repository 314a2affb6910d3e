"""Patterns of a whole application server: `fail_fast`, `shed_load`, `handshaking`, `let_it_crash`, each on a real one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.flight_search.services import WITHIN_S, application_server, kill_connections

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOKUP = "/flights?from=NYC&to=BOS&date=2013-10-08"
LOOKS = 2000


def leak_all(server: httpx.Client, conninfo: str) -> None:
    """Leave the server without a connection: each stale one costs a lookup."""
    assert server.get(LOOKUP).status_code == 200
    kill_connections(conninfo)
    assert [server.get(LOOKUP).status_code for _ in range(2)] == [503, 503]


def wait_pool(server: httpx.Client, **wanted: int) -> dict[str, Any]:
    """Wait until the pool is as wanted; bounded by a number of looks."""
    seen: dict[str, Any] = {}
    for _ in range(LOOKS):
        seen = server.get("/admin/pool").json()
        if all(seen[name] == value for name, value in wanted.items()):
            return seen
    raise AssertionError(f"never {wanted}, last seen: {seen}")


@pytest.fixture
def hanging() -> Iterator[ThreadPoolExecutor]:
    """Give threads for calls that may hang; what still hangs ends with its server."""
    pool = ThreadPoolExecutor(8)
    yield pool
    pool.shutdown(wait=True)


def call(server: httpx.Client) -> int | None:
    """Make a lookup on a connection of its own; gives its status, None when the connection was cut."""
    try:
        return httpx.get(f"{server.base_url}{LOOKUP}".replace("//flights", "/flights"), timeout=WITHIN_S, trust_env=False).status_code
    except httpx.TransportError:
        return None


def test_a_server_that_fails_fast_refuses_before_any_work(conninfo: str) -> None:
    """With the pool gone a lookup, a status and a check-in are 503 at once, where they would hang; and nobody waits in the pool."""
    with application_server(conninfo, FAIL_FAST="true") as server:
        leak_all(server, conninfo)
        answer = server.get(LOOKUP)
        assert answer.status_code == 503
        assert "2 of 2 out, 2 of them leaked; refused before any work" in answer.json()["detail"]
        assert server.get("/flights/2013-10-08/US/1843").status_code == 503
        wait_pool(server, waiting=0, leaked=2)


def test_a_server_that_sheds_load_refuses_what_is_past_its_limit(conninfo: str, hanging: ThreadPoolExecutor) -> None:
    """Two calls hang, the third is refused at once with when to come again, and monitoring answers."""
    with application_server(conninfo, SHED_LOAD_AT="2") as server:
        leak_all(server, conninfo)
        calls = [hanging.submit(call, server) for _ in range(2)]
        wait_pool(server, waiting=2)
        answer = server.get(LOOKUP)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "2 requests under way, which is its limit" in answer.json()["detail"]
        assert server.get("/health").status_code == 200
        assert not any(one.done() for one in calls)


def test_a_server_below_its_limit_refuses_nothing(conninfo: str) -> None:
    """A request that has ended makes room for the next."""
    with application_server(conninfo, SHED_LOAD_AT="1") as server:
        assert [server.get(LOOKUP).status_code for _ in range(5)] == [200] * 5


@pytest.mark.fact("O8")
def test_handshaking_tells_what_monitoring_would_not(conninfo: str) -> None:
    """With every connection leaked the health check is red with the reason; without the setting it stays green."""
    with application_server(conninfo, HANDSHAKING="true") as server, application_server(conninfo) as silent:
        assert [one.get(LOOKUP).status_code for one in (server, silent)] == [200, 200]
        assert server.get("/health").status_code == 200
        kill_connections(conninfo)
        assert [one.get(LOOKUP).status_code for one in (server, silent, server, silent)] == [503] * 4
        answer = server.get("/health")
        assert (answer.status_code, answer.json()["detail"]) == (503, "all 2 connections of the pool are leaked")
        assert silent.get("/health").status_code == 200


def test_a_server_that_is_stuck_replaces_itself_and_serves_again(conninfo: str, hanging: ThreadPoolExecutor) -> None:
    """Its calls under way are cut, one that comes meanwhile waits and is answered, and it has replaced itself once."""
    with application_server(conninfo, LET_IT_CRASH_S="0.2") as server:
        leak_all(server, conninfo)
        stuck = [hanging.submit(call, server) for _ in range(2)]
        assert [one.result(WITHIN_S) for one in stuck] == [None, None]
        assert call(server) == 200
        seen = server.get("/admin/pool").json()
        assert (seen["replacements"], seen["leaked"]) == (1, 0)
        assert "replacements 1.0" in server.get("/metrics").text


def test_the_governor_holds_the_watchdog_back(conninfo: str, hanging: ThreadPoolExecutor) -> None:
    """One in a minute: the second time that it is stuck, it stays so, also though its own process has forgotten the first."""
    with application_server(conninfo, LET_IT_CRASH_S="0.2", GOVERNOR_PER_MINUTE="1") as server:
        for time in range(2):
            leak_all(server, conninfo)
            stuck = [hanging.submit(call, server) for _ in range(2)]
            if time == 0:
                assert [one.result(WITHIN_S) for one in stuck] == [None, None]
        wait_pool(server, waiting=2)
        threading.Event().wait(0.6)  # three times as long as it would take
        assert server.get("/admin/pool").json()["replacements"] == 1
        assert not any(one.done() for one in stuck)
