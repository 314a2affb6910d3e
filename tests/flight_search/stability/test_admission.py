from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from flight_search.stability.admission import Admission, CallRefused, Gate, OpenGate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request


class ShutGate:
    """A gate that admits nothing."""

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Refuse the call."""
        raise CallRefused("closed: 0 of 0")
        yield


async def answer_served(_: Request) -> PlainTextResponse:
    """Answer every request."""
    return PlainTextResponse("served")


@pytest.mark.fact("C6")
@pytest.mark.parametrize("path", ["/health", "/metrics", "/admin/pool"])
@pytest.mark.parametrize(("gate", "status"), [(OpenGate(), 200), (ShutGate(), 503)], ids=["open", "shut"])
async def test_a_gate_applies_to_service_calls_and_never_to_monitoring(gate: Gate, status: int, path: str) -> None:
    """A call is served, or refused with the reason and `Retry-After`; monitoring is answered either way."""
    app = Starlette(routes=[Route(route, answer_served) for route in ("/flights", path)])
    app.add_middleware(Admission, gate=gate)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cf-1") as client:
        answer = await client.get("/flights")
        assert (answer.status_code, answer.headers.get("retry-after")) == (status, None if status == 200 else "1")
        assert answer.text == ("served" if status == 200 else '{"detail":"closed: 0 of 0"}')
        assert (await client.get(path)).text == "served"
