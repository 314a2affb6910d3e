from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

from flight_search.datasource import PoolState
from flight_search.stability.handshaking import STANDS_S, Handshaking
from tests.flight_search.services import LOOKUP, application_server, kill_connections

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


@dataclass
class Server:
    """A server as it looks from its health check: for how long it has stood still, and its pool."""

    stands_s: float = 0.0
    leaked: int = 0
    capacity: int | None = 40
    limit: int = 40

    def look(self) -> float:
        """Be the standstill."""
        return self.stands_s

    def state(self) -> PoolState:
        """Be the pool."""
        return PoolState(size=40, in_pool=0, out=40, waiting=0, leaked=self.leaked, opened_total=40, invalidated_total=0)


@pytest.mark.parametrize(
    ("server", "told"),
    [
        (Server(), None),
        (Server(stands_s=STANDS_S), None),
        (Server(stands_s=0.6), "all 40 request threads at work, and no request ended for 0.6 s"),
        (Server(leaked=39), None),
        (Server(leaked=40), "all 40 connections of the pool are leaked"),
        (Server(leaked=40, capacity=41), None),
        (Server(leaked=40, capacity=None), None),
    ],
)
def test_the_health_check_is_red_when_a_call_would_not_be_served(server: Server, told: str | None) -> None:
    """Full for a moment is load and full for long is not; one connection that is left, or that may be opened, serves calls."""
    assert Handshaking(server, server).trouble() == told  # type: ignore[arg-type]


@pytest.mark.variant("handshaking")
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


def test_a_server_under_full_load_stays_green(conninfo: str, hanging: ThreadPoolExecutor) -> None:
    """Six at a time on two request threads: every one is at work the whole time, and requests end."""
    with application_server(conninfo, HANDSHAKING="true") as server:
        assert server.get(LOOKUP).status_code == 200
        over = threading.Event()
        calls = [hanging.submit(_call_until, over, str(server.base_url)) for _ in range(6)]
        busy, health = 0, []
        for _ in range(100):
            health.append(server.get("/health").status_code)
            busy += "request_threads_busy 2.0" in server.get("/metrics").text
        over.set()
        assert health == [200] * 100
        assert busy > 10
        assert {status for one in calls for status in one.result(10)} == {200}


def _call_until(over: threading.Event, url: str) -> list[int]:
    """Make lookups, one after the other."""
    statuses = []
    with httpx.Client(base_url=url, timeout=10, trust_env=False) as client:
        while not over.is_set():
            statuses.append(client.get(LOOKUP).status_code)
    return statuses
