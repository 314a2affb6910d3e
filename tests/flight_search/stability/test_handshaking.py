from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from flight_search.datasource import PoolState
from flight_search.stability.handshaking import STUCK_S, Handshaking
from tests.flight_search.services import LOOKUP, WITHIN_S, application_server, client_of, kill_connections

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


@dataclass
class FakeServer:
    """What a health check sees of a server: for how long it has been stuck, and its pool."""

    stuck_s: float = 0.0
    leaked: int = 0
    capacity: int | None = 40
    limit: int = 40

    def sample(self) -> float:
        """Stand in for StuckDetector."""
        return self.stuck_s

    def state(self) -> PoolState:
        """Stand in for MonitoredDataSource."""
        return PoolState(size=40, in_pool=0, out=40, waiting=0, leaked=self.leaked, opened_total=40, invalidated_total=0)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (FakeServer(), None),
        (FakeServer(stuck_s=STUCK_S), None),
        (FakeServer(stuck_s=0.6), "all 40 request threads busy, and no request ended for 0.6 s"),
        (FakeServer(leaked=39), None),
        (FakeServer(leaked=40), "all 40 connections of the pool are leaked"),
        (FakeServer(leaked=40, capacity=41), None),
        (FakeServer(leaked=40, capacity=None), None),
    ],
)
def test_the_health_check_is_red_if_a_call_would_not_be_served(server: FakeServer, reason: str | None) -> None:
    """It is red once a server has been stuck for more than STUCK_S, or if no connection is left or may be opened."""
    assert Handshaking(server, server).not_ready() == reason  # type: ignore[arg-type]


@pytest.mark.variant("handshaking")
@pytest.mark.fact("O8")
def test_handshaking_reports_what_plain_monitoring_does_not(conninfo: str) -> None:
    """With every connection leaked, the health check is red with the reason; without the setting it stays green."""
    with application_server(conninfo, HANDSHAKING="true") as server, application_server(conninfo) as silent:
        assert [client.get(LOOKUP).status_code for client in (server, silent)] == [200, 200]
        assert server.get("/health").status_code == 200
        kill_connections(conninfo)
        assert [client.get(LOOKUP).status_code for client in (server, silent, server, silent)] == [503] * 4
        answer = server.get("/health")
        assert (answer.status_code, answer.json()["detail"]) == (503, "all 2 connections of the pool are leaked")
        assert silent.get("/health").status_code == 200


def test_a_server_under_full_load_stays_green(conninfo: str, hanging: ThreadPoolExecutor) -> None:
    """With six concurrent calls on two request threads, health stays green: the threads are busy, and requests end."""
    with application_server(conninfo, HANDSHAKING="true") as server:
        assert server.get(LOOKUP).status_code == 200
        ended = threading.Event()
        calls = [hanging.submit(_call_until, ended, str(server.base_url)) for _ in range(6)]
        busy, health = 0, []
        for _ in range(100):
            health.append(server.get("/health").status_code)
            busy += "request_threads_busy 2.0" in server.get("/metrics").text
        ended.set()
        assert health == [200] * 100
        assert busy > 10
        assert {status for future in calls for status in future.result(WITHIN_S)} == {200}


def _call_until(ended: threading.Event, url: str) -> list[int]:
    """Make lookups one after another until the event is set; return their statuses."""
    statuses = []
    with client_of(url) as client:
        while not ended.is_set():
            statuses.append(client.get(LOOKUP).status_code)
    return statuses
