from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry

from flight_search import http_service
from flight_search.callers import app as callers_app
from flight_search.callers.remote import RemoteFlightSearch
from flight_search.endpoints import OperationWrapper
from flight_search.log import Log
from flight_search.settings import CallerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI

PASSENGER = {"passenger": "P-1", "date": "2013-10-08", "carrier": "US", "flight": 1843, "origin": "EWR", "destination": "CLT"}


async def answers(app: FastAPI, *requests: tuple[str, str]) -> list[httpx.Response]:
    """Return the answers to requests; an exception of the application goes to its server, and not to the client."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return [await client.request(method, path, json=PASSENGER if method == "POST" else None) for method, path in requests]


async def test_an_exception_that_nobody_expected_is_a_result_of_its_own(tmp_path: Path) -> None:
    """Answered with its name, counted for its operation and for the service, and logged; monitoring goes on."""
    registry = CollectorRegistry()
    app = http_service.create("cf-1", http_service.RequestThreads(2), registry)

    def broken() -> JSONResponse:
        raise KeyError("seat")

    app.get("/flights")(OperationWrapper(registry, Log(str(tmp_path / "errors.log"), registry))("lookup_by_city", broken))
    answer, metrics = await answers(app, ("GET", "/flights"), ("GET", "/metrics"))
    assert (answer.status_code, answer.json()) == (500, {"detail": "internal error: KeyError: 'seat'"})
    assert 'requests_total{operation="lookup_by_city",result="internal_error"} 1.0' in metrics.text
    assert "internal_errors_total 1.0" in metrics.text
    assert (tmp_path / "errors.log").read_text().endswith("error lookup_by_city: internal error: KeyError: 'seat'\n")


@pytest.mark.parametrize("decoupled", [False, True])
async def test_a_caller_counts_what_it_did_not_expect(*, decoupled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a request thread and in a dispatcher."""

    def broken(*_: object) -> object:
        raise MemoryError

    monkeypatch.setattr(RemoteFlightSearch, "lookup_by_city", broken)
    settings = CallerSettings(name="kiosk", flight_search_urls=("http://127.0.0.1:9",), decoupled=decoupled)
    app = callers_app.create_app(settings)
    answer, metrics = await answers(app, ("POST", "/transactions/check_in"), ("GET", "/metrics"))
    assert answer.status_code == 500
    assert "MemoryError" in answer.json()["detail"]
    assert 'transactions_total{result="internal_error",transaction="check_in"} 1.0' in metrics.text
    assert "internal_errors_total 1.0" in metrics.text
