"""The request of a trial, sent before anything was done."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from testbed.errors import ServiceError, UsageError
from testbed.experiments.trial import first_request
from testbed.experiments.trial.first_request import AskedFirst
from testbed.fakes.backend import FakeBackend
from testbed.plan.settings import Settings
from testbed.plan.topology import FacilityPlan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def service(*statuses: int) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve answers with these statuses, one after the other and the last again and again; yield the URL and the paths that were asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.Response(status=statuses[min(len(asked), len(statuses)) - 1], text="no such\nthing")

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    async with TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/"), asked


async def test_a_service_that_warms_up_is_asked_again_until_it_answers() -> None:
    """And not once more after that."""
    async with service(503, 500, 200) as (url, asked):
        await first_request.ask("cf-1", url, "/flights?from=EWR")
    assert asked == ["/flights?from=EWR"] * 3


@pytest.mark.parametrize("status", [404, 401, 302])
async def test_a_request_that_is_wrong_is_told_as_that_and_nothing_was_tried(status: int) -> None:
    """At once, in a line that names the answer."""
    async with service(status) as (url, asked):
        with pytest.raises(UsageError) as raised:
            await first_request.ask("cf-1", url, "/flights")
    assert str(raised.value).startswith(f"--url: GET /flights of cf-1: answered {status} (no such), before anything was done to it")
    assert "nothing was tried" in str(raised.value)
    assert len(asked) == 1


async def test_a_service_that_is_not_well_before_anything_was_done_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that answers with an error of its own, nor one that nobody can reach."""
    monkeypatch.setattr(first_request, "WITHIN_S", 0.5)
    async with service(500) as (url, _):
        with pytest.raises(ServiceError, match=r"answered 500 .*nothing was tried"):
            await first_request.ask("cf-1", url, "/flights")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ServiceError, match="before anything was done to it"):
        await first_request.ask("cf-1", f"http://127.0.0.1:{port}", "/flights")


async def test_every_service_is_asked_before_the_facility_is_used_and_it_is_taken_down_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The request has a passenger of the schedule in the place of its templates."""
    asked: list[tuple[str, str]] = []

    async def ask(name: str, _: str, path: str) -> None:
        asked.append((name, path))

    monkeypatch.setattr(first_request, "ask", ask)
    fakes = FakeBackend()
    backend = AskedFirst(fakes, "/flights/{carrier}{flight}")
    async with backend:
        builder = backend.builder(FacilityPlan(), Settings())
        builder.begin()
        await builder.build()
        await builder.tear_down()
    assert asked == [("cf-1", "/flights/UA1545"), ("cf-2", "/flights/UA1545")]
    assert fakes.builders[0].calls[-1] == "tear_down"
    assert fakes.calls == ["enter", "exit"]
