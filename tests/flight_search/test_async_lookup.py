from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from flight_search import calls
from flight_search.app import create_app
from flight_search.datasource import MonitoredDataSource
from flight_search.lookup import async_cancelled, async_shielded
from flight_search.settings import ServerSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from types import ModuleType

    from flight_search.settings import Lookup

pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")  # a connection leaks here on purpose

FLIGHTS = 48  # from New York to Boston that day, counted in flights.csv
KEY = 7
POLLS, POLL_S = 3000, 0.01


@pytest.fixture(params=["async_cancelled", "async_shielded"])
def server(request: pytest.FixtureRequest, conninfo: str) -> Iterator[tuple[ServerSettings, MonitoredDataSource]]:
    """Yield the settings of a server with an async lookup, and its pool of two connections."""
    settings = ServerSettings(database=conninfo, pool_size=2, lookup=request.param)
    pool = MonitoredDataSource(settings)
    pool.fill()
    yield settings, pool
    pool.dispose()


async def get(app: Any, path: str, receive: Callable[[], Awaitable[dict[str, object]]], query: bytes = b"") -> tuple[int | None, Any]:
    """Ask an application as uvicorn does; return the status and what its JSON says, None if it did not answer."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": [], "http_version": "1.1"}
    await app({**scope, "scheme": "http", "server": ("test", 80), "client": ("test", 1), "root_path": ""}, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return (sent[0]["status"], json.loads(body)) if sent else (None, None)


LOOKUP = b"from=NYC&to=BOS&date=2013-10-08"


async def patient() -> dict[str, object]:
    """Receive as from a client that stays."""
    return await asyncio.Future()


async def until(seen: Callable[[], bool]) -> None:
    """Wait until something is seen, for POLLS looks."""
    for _ in range(POLLS):
        if seen():
            return
        await asyncio.sleep(POLL_S)
    raise AssertionError(f"not seen in {POLLS} looks")


async def test_an_async_lookup_is_answered_and_returns_its_connection(server: tuple[ServerSettings, MonitoredDataSource]) -> None:
    """To a client that stays, it makes no difference how it is written."""
    settings, pool = server
    status, answer = await get(create_app(settings, pool), "/flights", patient, LOOKUP)
    assert (status, len(answer["flights"])) == (200, FLIGHTS)
    assert (pool.state().in_pool, pool.state().out, pool.state().leaked) == (2, 0, 0)


@pytest.mark.fact("O3", "O4")
@pytest.mark.parametrize("server", ["async_cancelled", "async_shielded"], indirect=True)
async def test_a_client_that_leaves_keeps_its_connection_unless_the_clean_up_is_shielded(
    server: tuple[ServerSettings, MonitoredDataSource], conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The close that was cancelled is in the table; meanwhile the request was at no thread that could be named."""
    settings, pool = server
    word: Lookup = settings.lookup
    module: ModuleType = {"async_cancelled": async_cancelled, "async_shielded": async_shielded}[word]
    monkeypatch.setattr(module, "QUERY", f"SELECT pg_advisory_xact_lock({KEY})")
    app, left = create_app(settings, pool), asyncio.Event()
    with psycopg.connect(conninfo, autocommit=True) as lock:
        lock.execute(f"SELECT pg_advisory_lock({KEY})")

        async def leaves() -> dict[str, object]:
            await until(lambda: pool.state().out == 1)
            left.set()
            return {"type": "http.disconnect"}

        lookup = asyncio.create_task(get(app, "/flights", leaves, LOOKUP))
        await left.wait()
        _, table = await get(app, "/admin/pool", patient)
        lock.execute(f"SELECT pg_advisory_unlock({KEY})")
        await asyncio.wait_for(lookup, POLLS * POLL_S)
    assert [(row["thread"], row["thread_id"], row["request_running"]) for row in table["connections_out"]] == [("", 0, True)]
    assert [(call["thread_id"], call["operation"]) for call in table["calls"]["running"]] == [(0, "lookup_by_city")]
    assert (pool.state().out, pool.state().leaked) == ((1, 1) if word == "async_cancelled" else (0, 0))
    for connection in pool.out():
        lines = calls.formatted(connection.request.raised_at)
        assert connection.request.error.startswith("CancelledError")
        assert any(line.startswith(f"lookup/{word}.py:") and line.endswith(" lookup_by_city") for line in lines), lines
        assert calls.formatted(connection.checked_out_at)[0].startswith(f"lookup/{word}.py:")


async def test_an_error_of_the_database_is_answered_as_that_of_a_request_thread_is(
    server: tuple[ServerSettings, MonitoredDataSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 503 and its text, and nothing leaks."""
    settings, pool = server
    module: ModuleType = {"async_cancelled": async_cancelled, "async_shielded": async_shielded}[settings.lookup]
    monkeypatch.setattr(module, "QUERY", "SELECT 1 / 0")
    status, answer = await get(create_app(settings, pool), "/flights", patient, LOOKUP)
    assert status == 503
    assert "DivisionByZero" in answer["detail"]
    assert (pool.state().out, pool.state().leaked) == (0, 0)
