from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from flight_search.datasource import MonitoredDataSource
from flight_search.settings import ServerSettings
from flight_search.stability.admission import Refused
from flight_search.stability.fail_fast import FailFast
from tests.flight_search.services import LOOKUP, WITHIN_S, application_server, call, kill_connections, leak_all, wait_pool

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


def gate(**settings: int) -> FailFast:
    """Give a gate before a pool that nobody has connected yet."""
    return FailFast(MonitoredDataSource(ServerSettings(database="host=nowhere", **settings)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("overflow", "let_in"), [(0, 2), (1, 3)])
def test_as_many_are_let_in_as_there_are_connections(overflow: int, let_in: int) -> None:
    """Those that may be opened past the pool's size count; the next is refused, until one has ended."""
    fail_fast = gate(pool_size=2, pool_max_overflow=overflow)
    with ExitStack() as under_way:
        for _ in range(let_in - 1):
            under_way.enter_context(fail_fast.let_in())
        with fail_fast.let_in():
            refused = f"of {let_in}, 0 leaked and {let_in} for requests under way"
            with pytest.raises(Refused, match=refused), fail_fast.let_in():
                pass
        with fail_fast.let_in():
            assert fail_fast.refused_total == 1


def test_a_pool_without_a_limit_refuses_nobody() -> None:
    """There is always another connection that may be opened."""
    fail_fast = gate(pool_size=1, pool_max_overflow=-1)
    with fail_fast.let_in(), fail_fast.let_in():
        assert fail_fast.refused_total == 0


@pytest.mark.variant("fail_fast")
def test_a_server_that_fails_fast_refuses_before_any_work(conninfo: str) -> None:
    """With the pool gone a lookup and a status are 503 at once, where they would hang; and nobody waits in the pool."""
    with application_server(conninfo, FAIL_FAST="true") as server:
        leak_all(server, conninfo)
        answer = server.get(LOOKUP)
        assert answer.status_code == 503
        assert "of 2, 2 leaked and 0 for requests under way; refused before any work" in answer.json()["detail"]
        assert server.get("/flights/2013-10-08/US/1843").status_code == 503
        wait_pool(server, waiting=0, leaked=2, failed_fast_total=2)
        assert 'calls_refused{pattern="fail_fast"} 2.0' in server.get("/metrics").text


@pytest.mark.fact("O4")
def test_who_comes_at_the_same_moment_does_not_hang_either(conninfo: str, hanging: ThreadPoolExecutor) -> None:
    """Eight calls at once meet two stale connections: the two fail, and of the others none is left waiting for what those leaked."""
    with application_server(conninfo, FAIL_FAST="true", REQUEST_THREADS="8") as server:
        assert server.get(LOOKUP).status_code == 200
        kill_connections(conninfo)
        calls = [hanging.submit(call, server) for _ in range(8)]
        assert [one.result(WITHIN_S) for one in calls] == [503] * 8
        wait_pool(server, waiting=0, leaked=2)
