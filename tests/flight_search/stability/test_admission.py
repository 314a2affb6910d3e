from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from flight_search.stability.admission import Admission, Gate, Open, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request


class Shut:
    """A gate that lets nothing in."""

    @contextmanager
    def let_in(self) -> Iterator[None]:
        """Refuse."""
        raise Refused("closed: 0 of 0")
        yield


async def anything(_: Request) -> PlainTextResponse:
    """Answer."""
    return PlainTextResponse("served")


@pytest.mark.fact("C6")
@pytest.mark.parametrize("path", ["/health", "/metrics", "/admin/pool"])
@pytest.mark.parametrize(("gate", "status"), [(Open(), 200), (Shut(), 503)], ids=["open", "shut"])
async def test_a_gate_is_for_service_calls_and_never_for_monitoring(gate: Gate, status: int, path: str) -> None:
    """A call gets through or is refused with the reason and when to come again; monitoring is answered either way."""
    app = Starlette(routes=[Route(one, anything) for one in ("/flights", path)])
    app.add_middleware(Admission, gate=gate)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cf-1") as client:
        answer = await client.get("/flights")
        assert (answer.status_code, answer.headers.get("retry-after")) == (status, None if status == 200 else "1")
        assert answer.text == ("served" if status == 200 else '{"detail":"closed: 0 of 0"}')
        assert (await client.get(path)).text == "served"
