from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from flight_search.callers import Passenger, transactions_of
from flight_search.callers.remote import RemoteFlightSearch
from flight_search.callers.round_robin import FALL
from flight_search.settings import CallerSettings
from flight_search.stability.call import FacilityFailed, FacilityTimedOut

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSENGER = Passenger("P-1", "2013-10-08", "US", 1843, "EWR", "CLT")


class Facility(BaseHTTPRequestHandler):
    """Answers every look-up with one flight, except on the date of silence, when it answers nothing."""

    asked: list[int]
    released: threading.Event
    red: set[int]
    checked: threading.Semaphore  # once for each that came out red

    def do_GET(self) -> None:
        """Answer, or keep silent."""
        port: int = self.server.server_address[1]  # type: ignore[assignment]
        if self.path == "/health":
            self.send_response(503 if port in self.red else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            if port in self.red:
                self.checked.release()
            return
        self.asked.append(port)
        if "1999-01-01" in self.path:
            self.released.wait(10)
            self.close_connection = True
            return
        body = json.dumps({"flights": [{"carrier": "US", "flight": 1843, "scheduled_departure": "05:00"}]}).encode()
        self.send_response(503 if "1998" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def facility() -> Iterator[tuple[tuple[str, ...], type[Facility]]]:
    """Run two servers; gives their URLs and what they were asked."""
    handler = type("Asked", (Facility,), {"asked": [], "released": threading.Event(), "red": set(), "checked": threading.Semaphore(0)})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}) for server in servers]
    for thread in threads:
        thread.start()
    yield tuple(f"http://127.0.0.1:{server.server_address[1]}" for server in servers), handler
    handler.released.set()
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join()


def remote(urls: tuple[str, ...], **settings: float) -> RemoteFlightSearch:
    """Make a stub."""
    return RemoteFlightSearch(CallerSettings(name="kiosk", flight_search_urls=urls, **settings))  # type: ignore[arg-type]


def test_application_servers_are_taken_in_turn(facility: tuple[tuple[str, ...], type[Facility]]) -> None:
    """Ten calls fall five and five."""
    urls, handler = facility
    flights = remote(urls)
    for _ in range(10):
        flights.lookup_by_city("EWR", "CLT", "2013-10-08")
    assert sorted(handler.asked.count(int(url.rpartition(":")[2])) for url in urls) == [5, 5]


@pytest.mark.fact("C3")
def test_where_nobody_listens_the_next_in_turn_is_asked(facility: tuple[tuple[str, ...], type[Facility]]) -> None:
    """One of two is gone: every call is answered by the other. Both are gone: the call fails, and says where."""
    urls, handler = facility
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
    flights = remote((gone, urls[0]))
    for _ in range(10):
        flights.lookup_by_city("EWR", "CLT", "2013-10-08")
    assert len(handler.asked) == 10
    with pytest.raises(FacilityFailed, match=gone):
        remote((gone, gone)).lookup_by_city("EWR", "CLT", "2013-10-08")


@pytest.mark.fact("C3")
def test_a_server_whose_health_is_red_is_left_out(facility: tuple[tuple[str, ...], type[Facility]]) -> None:
    """It answers calls as well as the other does: only its health check says 503."""
    urls, handler = facility
    red = int(urls[0].rpartition(":")[2])
    handler.red.add(red)
    flights = remote(urls, health_check_every_s=0.01)
    with flights.round_robin:
        assert all(handler.checked.acquire(timeout=10) for _ in range(FALL + 1))  # the one after has begun, so the last is noted
        handler.asked.clear()
        for _ in range(10):
            flights.lookup_by_city("EWR", "CLT", "2013-10-08")
    assert handler.asked.count(red) == 0
    assert len(handler.asked) == 10


@pytest.mark.fact("C3")
def test_calls_at_once_all_get_past_the_one_where_nobody_listens(facility: tuple[tuple[str, ...], type[Facility]]) -> None:
    """However many calls are made at the same time, none is given the dead one of two again in place of the other."""
    urls, handler = facility
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
    flights = remote((gone, urls[0]))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: flights.lookup_by_city("EWR", "CLT", "2013-10-08"), range(200)))
    assert len(found) == len(handler.asked) == 200


@pytest.mark.variant("call_timeout")
@pytest.mark.fact("O6", "S3")
def test_a_call_has_no_time_out_unless_it_is_given_one(facility: tuple[tuple[str, ...], type[Facility]]) -> None:
    """The stub of the case still waits when a stub with a read time-out has given up."""
    urls, handler = facility
    waiting = threading.Thread(target=_fails, args=(remote(urls),), daemon=True)
    waiting.start()
    with pytest.raises(FacilityTimedOut):
        remote(urls, call_read_timeout_s=0.2).lookup_by_city("EWR", "CLT", "1999-01-01")
    assert waiting.is_alive()
    handler.released.set()
    waiting.join(timeout=10)


def _fails(flights: RemoteFlightSearch) -> None:
    """Make a call that is not answered until the other side lets go of it."""
    with pytest.raises(FacilityFailed):
        flights.lookup_by_city("EWR", "CLT", "1999-01-01")


def test_an_error_of_the_facility_is_passed_on_with_its_words(facility: tuple[tuple[str, ...], type[Facility]]) -> None:
    """A 503 is a failed call."""
    with pytest.raises(FacilityFailed, match="503"):
        remote(facility[0]).lookup_by_city("EWR", "CLT", "1998-01-01")


@pytest.mark.parametrize(
    ("caller", "transaction"), [("kiosk", "reprint_boarding_pass"), ("ivr", "baggage_allowance"), ("partner", "fare_rules")]
)
def test_transactions_that_do_not_need_the_facility_make_no_call(caller: str, transaction: str) -> None:
    """They are answered with nobody at the other end."""
    chosen = next(one for one in transactions_of(caller) if one.name == transaction)
    assert not chosen.needs_facility
    assert chosen.run(remote(("http://127.0.0.1:1",)), PASSENGER)
