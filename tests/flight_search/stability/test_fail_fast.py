from __future__ import annotations

from tests.flight_search.services import LOOKUP, application_server, leak_all, wait_pool


def test_a_server_that_fails_fast_refuses_before_any_work(conninfo: str) -> None:
    """With the pool gone a lookup, a status and a check-in are 503 at once, where they would hang; and nobody waits in the pool."""
    with application_server(conninfo, FAIL_FAST="true") as server:
        leak_all(server, conninfo)
        answer = server.get(LOOKUP)
        assert answer.status_code == 503
        assert "2 of 2 out, 2 of them leaked; refused before any work" in answer.json()["detail"]
        assert server.get("/flights/2013-10-08/US/1843").status_code == 503
        wait_pool(server, waiting=0, leaked=2)
