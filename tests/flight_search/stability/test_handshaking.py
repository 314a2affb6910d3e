from __future__ import annotations

import pytest

from tests.flight_search.services import LOOKUP, application_server, kill_connections


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
