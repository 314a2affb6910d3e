"""A real HTTP server in the facility's place, which answers, fails or hangs as a test says."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn

from flight_search.callers.passenger import Passenger
from flight_search.callers.remote import FoundFlights, RemoteFlightSearch
from flight_search.settings import CallerSettings
from flight_search.stability.call import FacilityFailed
from tests.flight_search.services import WITHIN_S, client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from fastapi import FastAPI

PASSENGER = Passenger("P-1", "2013-10-08", "US", 1843, "EWR", "CLT")
BODY = {"passenger": "P-1", "date": "2013-10-08", "carrier": "US", "flight": 1843, "origin": "EWR", "destination": "CLT"}
ANSWER = {
    "flights": [{"carrier": "US", "flight": 1843, "scheduled_departure": "05:00"}],
    "status": "scheduled",
    "scheduled_departure": "05:00",
    "sequence": 1,
    "reference": 1,
}


FOUND = FoundFlights([{"carrier": "US", "flight": 1843, "scheduled_departure": "05:00"}])  # what a lookup returns


@dataclass(slots=True)
class FakeFacility:
    """What the server does with calls: `do` is `answer`, `fail`, `refuse` or `hang` (until `released`); `asked` records the calls."""

    url: str = ""
    do: str = "answer"
    asked: list[str] = field(default_factory=list)  # method and path
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    released: threading.Event = field(default_factory=threading.Event)

    def wait_asked(self, times: int) -> None:
        """Wait until `times` more calls have arrived; raise AssertionError if they do not."""
        for count in range(times):
            assert self.arrived.acquire(timeout=WITHIN_S), f"{count} of {times} calls arrived within {WITHIN_S:.0f} s"

    def settings(self, name: str = "kiosk", **settings: object) -> CallerSettings:
        """Return the settings of a caller of this facility."""
        return CallerSettings(name=name, flight_search_urls=(self.url,), **settings)  # type: ignore[arg-type]

    def stub(self, **settings: object) -> RemoteFlightSearch:
        """Return a stub that calls this facility."""
        return RemoteFlightSearch(self.settings(**settings))

    @contextmanager
    def hanging(self, *calls: Callable[[], object]) -> Iterator[None]:
        """Make each call from a thread of its own, and let it hang in the facility until the context ends; then it fails."""
        while self.arrived.acquire(blocking=False):
            pass  # calls made before
        self.do = "hang"
        threads = [threading.Thread(target=fails, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        self.wait_asked(len(threads))
        yield
        self.released.set()
        for thread in threads:
            thread.join(WITHIN_S)


def fails(call: Callable[[], object]) -> None:
    """Make a call and check that it raises FacilityFailed."""
    with pytest.raises(FacilityFailed):
        call()


def look_up(flights: RemoteFlightSearch, destination: str = "CLT") -> object:
    """Look up flights; `destination` tells calls apart."""
    return flights.lookup_by_city("EWR", destination, "2013-10-08")


@contextmanager
def serve_responses(respond: Callable[[str, str, Mapping[str, str], bytes], tuple[int, bytes] | None]) -> Iterator[str]:
    """Serve at the yielded URL. `respond` gets method, path, headers and body, and returns status and body, or None to hang up."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = respond(self.command, self.path, self.headers, body)
            self.close_connection = True
            if answer is not None:
                self.send_response(answer[0])
                self.send_header("Content-Length", str(len(answer[1])))
                self.end_headers()
                self.wfile.write(answer[1])

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None:
            """Write no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def run_facility() -> Iterator[FakeFacility]:
    """Run a fake facility."""
    facility = FakeFacility()

    def respond(method: str, path: str, _: Mapping[str, str], __: bytes) -> tuple[int, bytes] | None:
        facility.asked.append(f"{method} {path.partition('?')[0]}")
        do = facility.do
        facility.arrived.release()
        if do == "hang":
            facility.released.wait(WITHIN_S)
            return None
        return {"answer": 200, "fail": 503, "refuse": 404}[do], json.dumps(ANSWER).encode()

    with serve_responses(respond) as facility.url:
        try:
            yield facility
        finally:
            facility.released.set()


@contextmanager
def serve_app(app: FastAPI) -> Iterator[httpx.Client]:
    """Serve an application on a socket, in a thread of its own; yield a client."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=0))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            with client_of(f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(WITHIN_S)
