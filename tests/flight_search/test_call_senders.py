"""Who sent a call, and at which attempt."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

from flight_search import request_context
from flight_search.call_senders import CallSenders, TellSender, sender_of
from flight_search.callers.remote import RemoteFlightSearch
from flight_search.request_context import Sender
from flight_search.settings import CallerSettings
from tests.flight_search.fake_facility import fails, look_up, serve_app, serve_responses

if TYPE_CHECKING:
    from collections.abc import Mapping


def test_a_server_knows_who_sent_what_its_threads_are_at_and_counts_what_came() -> None:
    """Also who does not say so; monitoring is no call."""
    senders, entered, released = CallSenders(), Event(), Event()
    app = FastAPI()
    app.add_middleware(TellSender, senders=senders)

    @app.get("/flights")
    def flights() -> str:
        with request_context.request("lookup_by_city"):
            entered.set()
            assert released.wait(10)
        return ""

    @app.get("/health")
    async def health() -> str:
        return ""

    with serve_app(app) as client, ThreadPoolExecutor() as pool:
        call = pool.submit(client.get, "/flights", headers={"X-Caller": "partner", "X-Attempt": "3"})
        assert entered.wait(10)
        client.get("/health")
        (running,) = senders.shown()["running"]  # type: ignore[misc]
        assert (running["operation"], running["caller"], running["attempt"]) == ("lookup_by_city", "partner", 3)
        assert running["running_s"] >= 0
        released.set()
        call.result()
        client.get("/flights", headers={"X-Caller": "partner", "X-Attempt": "1"})
        client.get("/flights")
    assert senders.shown() == {
        "running": [],
        "sent": [{"caller": "partner", "calls": 2, "first": 1}, {"caller": "", "calls": 1, "first": 1}],
    }


@pytest.mark.parametrize(
    ("caller", "attempt", "sender"),
    [
        (b"kiosk", b"12", Sender("kiosk", 12)),
        (b"nobody we know", b"1", Sender("", 1)),
        (b"ivr", b"-1", Sender("ivr", 0)),
        (b"ivr", "²".encode("latin-1"), Sender("ivr", 0)),
        (b"\xff", b"9" * 5000, Sender("", 0)),
    ],
)
def test_what_a_header_says_is_believed_only_where_it_can_be(caller: bytes, attempt: bytes, sender: Sender) -> None:
    """Anybody may send anything, and no name of theirs is kept."""
    assert sender_of({b"x-caller": caller, b"x-attempt": attempt}) == sender


def test_each_attempt_of_a_caller_says_its_number() -> None:
    """And a new call begins with the first."""
    said: list[tuple[str | None, str | None]] = []

    def respond(_: str, __: str, headers: Mapping[str, str], ___: bytes) -> tuple[int, bytes]:
        said.append((headers.get("X-Caller"), headers.get("X-Attempt")))
        return 503, b""

    with serve_responses(respond) as url:
        flights = RemoteFlightSearch(CallerSettings(name="partner", flight_search_urls=(url,), retries=2, retry_wait_s=0.01))
        fails(lambda: look_up(flights))
        fails(lambda: look_up(flights))
    assert said == [("partner", number) for number in "123123"]
