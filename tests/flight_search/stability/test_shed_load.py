from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.flight_search.services import LOOKUP, application_server, call, leak_all, wait_pool

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


@pytest.mark.variant("shed_load")
def test_a_server_that_sheds_load_refuses_calls_past_its_limit(conninfo: str, hanging: ThreadPoolExecutor) -> None:
    """While two calls hang, the third is refused at once with `Retry-After`, and monitoring answers."""
    with application_server(conninfo, SHED_LOAD_AT="2") as server:
        leak_all(server, conninfo)
        calls = [hanging.submit(call, server) for _ in range(2)]
        wait_pool(server, waiting=2)
        answer = server.get(LOOKUP)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "2 requests under way, which is its limit" in answer.json()["detail"]
        assert server.get("/health").status_code == 200
        assert server.get("/admin/pool").json()["shed_total"] == 1
        assert 'calls_refused{pattern="shed_load"} 1.0' in server.get("/metrics").text
        assert not any(future.done() for future in calls)


def test_a_server_below_its_limit_refuses_nothing(conninfo: str) -> None:
    """With a limit of one, calls one after another are all answered."""
    with application_server(conninfo, SHED_LOAD_AT="1") as server:
        assert [server.get(LOOKUP).status_code for _ in range(5)] == [200] * 5
