from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.flight_search.services import LOOKUP, WITHIN_S, application_server, call, wait_pool

if TYPE_CHECKING:
    from collections.abc import Iterator

FLIGHTS = 48  # from New York to Boston that day, counted in flights.csv
WORK_MS = "1500"


@pytest.fixture(params=["dependency", "in_endpoint"])
def word(request: pytest.FixtureRequest) -> str:
    """Return a lookup of which the answer is streamed."""
    return str(request.param)


@pytest.fixture
def server(word: str, conninfo: str) -> Iterator[httpx.Client]:
    """Yield a client of a server with two connections, of which each body takes a while."""
    with application_server(conninfo, LOOKUP=word, LOOKUP_ROW_WORK_MS=WORK_MS, REQUEST_THREADS="4") as client:
        yield client


def test_it_is_answered_and_its_connection_is_back_after_the_last_byte(server: httpx.Client) -> None:
    """As any other lookup; an unknown place is refused all the same."""
    assert len(server.get(LOOKUP).json()["flights"]) == FLIGHTS
    wait_pool(server, in_pool=2, out=0, leaked=0)
    assert server.get("/flights?from=Atlantis&to=BOS&date=2013-10-08").status_code == 404


@pytest.mark.fact("O4")
def test_while_a_body_is_sent_only_a_connection_of_the_request_is_out(server: httpx.Client, word: str) -> None:
    """FastAPI keeps it to the last byte, which the endpoint itself does not; it is the request's that is still answered, and not leaked."""
    with server.stream("GET", LOOKUP, timeout=WITHIN_S) as answer:
        state = server.get("/admin/pool").json()
        rows = [(row["thread_id"], row["request_running"], row["operation"]) for row in state["connections_out"]]
        assert answer.status_code == 200
        assert (rows, state["leaked"]) == ([(0, True, "lookup_by_city")] if word == "dependency" else [], 0)
        answer.read()
    wait_pool(server, in_pool=2, out=0, leaked=0)


@pytest.mark.fact("O4", "O7")
def test_with_as_many_lookups_at_once_as_threads_and_connections_no_body_ends_any_more(server: httpx.Client, word: str) -> None:
    """Two have the connections, and need a thread for the rest of their bodies; four wait for a connection, and have the threads."""
    ended: list[int | None] = []
    threads = [threading.Thread(target=lambda: ended.append(call(server)), daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    if word == "dependency":
        state = wait_pool(server, out=2, waiting=4, leaked=0)
        assert (server.get("/health").status_code, len(state["calls"]["running"])) == (200, 6)
        for thread in threads:
            thread.join(float(WORK_MS) / 1000)
        assert (ended, server.get("/admin/pool").json()["waiting"]) == ([], 4)
    else:
        for thread in threads:
            thread.join(WITHIN_S)
        assert ended == [200] * 6
