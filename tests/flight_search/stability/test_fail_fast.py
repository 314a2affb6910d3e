from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from flight_search.datasource import MonitoredDataSource
from flight_search.settings import ServerSettings
from flight_search.stability.admission import CallRefused
from flight_search.stability.fail_fast import FailFast
from tests.flight_search.services import LOOKUP, WITHIN_S, application_server, call, kill_connections, leak_all, wait_pool

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


def gate(**settings: int) -> FailFast:
    """Return a gate in front of a pool without open connections."""
    return FailFast(MonitoredDataSource(ServerSettings(database="host=nowhere", **settings)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("overflow", "capacity"), [(0, 2), (1, 3)])
def test_as_many_calls_are_admitted_as_there_are_connections(overflow: int, capacity: int) -> None:
    """The capacity includes the pool's overflow; one more call is refused, until another has ended."""
    fail_fast = gate(pool_size=2, pool_max_overflow=overflow)
    with ExitStack() as under_way:
        for _ in range(capacity - 1):
            under_way.enter_context(fail_fast.admit())
        with fail_fast.admit():
            refused = f"of {capacity}, 0 leaked and {capacity} reserved for requests under way"
            with pytest.raises(CallRefused, match=refused), fail_fast.admit():
                pass
        with fail_fast.admit():
            assert fail_fast.refused_total == 1


def test_a_pool_without_a_limit_refuses_no_call() -> None:
    """With unlimited overflow every call is admitted."""
    fail_fast = gate(pool_size=1, pool_max_overflow=-1)
    with fail_fast.admit(), fail_fast.admit():
        assert fail_fast.refused_total == 0


@pytest.mark.variant("fail_fast")
def test_a_server_that_fails_fast_refuses_before_any_work(conninfo: str) -> None:
    """With the pool leaked, lookup and status are answered 503 at once, and no thread waits in the pool."""
    with application_server(conninfo, FAIL_FAST="true") as server:
        leak_all(server, conninfo)
        answer = server.get(LOOKUP)
        assert answer.status_code == 503
        assert "of 2, 2 leaked and 0 reserved for requests under way; refused before any work" in answer.json()["detail"]
        assert server.get("/flights/2013-10-08/US/1843").status_code == 503
        wait_pool(server, waiting=0, leaked=2, failed_fast_total=2)
        assert 'calls_refused{pattern="fail_fast"} 2.0' in server.get("/metrics").text


@pytest.mark.fact("O4")
def test_concurrent_calls_do_not_hang_either(conninfo: str, hanging: ThreadPoolExecutor) -> None:
    """Of eight concurrent calls to a pool with two stale connections, all end with 503 and none waits for a leaked one."""
    with application_server(conninfo, FAIL_FAST="true", REQUEST_THREADS="8") as server:
        assert server.get(LOOKUP).status_code == 200
        kill_connections(conninfo)
        calls = [hanging.submit(call, server) for _ in range(8)]
        assert [future.result(WITHIN_S) for future in calls] == [503] * 8
        wait_pool(server, waiting=0, leaked=2)
