from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from flight_search.callers.passenger import Passenger
from flight_search.callers.remote import RemoteFlightSearch
from flight_search.callers.round_robin import FALL
from flight_search.callers.transaction import transactions_of
from flight_search.settings import CallerSettings
from flight_search.stability.call import FacilityFailed, FacilityTimedOut

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSENGER = Passenger("P-1", "2013-10-08", "US", 1843, "EWR", "CLT")


class FacilityHandler(BaseHTTPRequestHandler):
    """Answers every lookup with one flight; in 1998 with an error, in 1999 not at all."""

    asked: list[int]
    released: threading.Event
    red: set[int]
    checked: threading.Semaphore  # released for each red health check

    def do_GET(self) -> None:
        """Answer, or hang until released."""
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
        """Write no log."""


@pytest.fixture
def facility() -> Iterator[tuple[tuple[str, ...], type[FacilityHandler]]]:
    """Run two servers; yield their URLs, and the handler that records what they were asked."""
    handler = type(
        "Asked", (FacilityHandler,), {"asked": [], "released": threading.Event(), "red": set(), "checked": threading.Semaphore(0)}
    )
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
    """Return a stub."""
    return RemoteFlightSearch(CallerSettings(name="kiosk", flight_search_urls=urls, **settings))  # type: ignore[arg-type]


def test_calls_go_to_application_servers_in_turn(facility: tuple[tuple[str, ...], type[FacilityHandler]]) -> None:
    """Of ten calls, each of two servers gets five."""
    urls, handler = facility
    flights = remote(urls)
    for _ in range(10):
        flights.lookup_by_city("EWR", "CLT", "2013-10-08")
    assert sorted(handler.asked.count(int(url.rpartition(":")[2])) for url in urls) == [5, 5]


@pytest.mark.fact("C3")
def test_a_call_goes_past_an_address_where_nothing_listens(facility: tuple[tuple[str, ...], type[FacilityHandler]]) -> None:
    """With one of two servers gone the other answers every call; with both gone a call fails with the address."""
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
def test_a_server_whose_health_is_red_is_left_out(facility: tuple[tuple[str, ...], type[FacilityHandler]]) -> None:
    """A server whose health check answers 503 gets no calls, although it would answer them."""
    urls, handler = facility
    red = int(urls[0].rpartition(":")[2])
    handler.red.add(red)
    flights = remote(urls, health_check_every_s=0.01)
    with flights.round_robin:
        assert all(
            handler.checked.acquire(timeout=10) for _ in range(FALL + 1)
        )  # the check after them has begun, so their results are counted
        handler.asked.clear()
        for _ in range(10):
            flights.lookup_by_city("EWR", "CLT", "2013-10-08")
    assert handler.asked.count(red) == 0
    assert len(handler.asked) == 10


@pytest.mark.fact("C3")
def test_concurrent_calls_all_get_past_an_address_where_nothing_listens(facility: tuple[tuple[str, ...], type[FacilityHandler]]) -> None:
    """None of 200 concurrent calls gets the dead one of two addresses twice."""
    urls, handler = facility
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
    flights = remote((gone, urls[0]))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: flights.lookup_by_city("EWR", "CLT", "2013-10-08"), range(200)))
    assert len(found) == len(handler.asked) == 200


@pytest.mark.variant("call_timeout")
@pytest.mark.fact("O6", "S3")
def test_a_call_has_no_time_out_unless_it_is_given_one(facility: tuple[tuple[str, ...], type[FacilityHandler]]) -> None:
    """The stub of the case still waits after a stub with a read time-out has raised FacilityTimedOut."""
    urls, handler = facility
    waiting = threading.Thread(target=_fails, args=(remote(urls),), daemon=True)
    waiting.start()
    with pytest.raises(FacilityTimedOut):
        remote(urls, call_read_timeout_s=0.2).lookup_by_city("EWR", "CLT", "1999-01-01")
    assert waiting.is_alive()
    handler.released.set()
    waiting.join(timeout=10)


def _fails(flights: RemoteFlightSearch) -> None:
    """Make a call that hangs until the server is released, and then fails."""
    with pytest.raises(FacilityFailed):
        flights.lookup_by_city("EWR", "CLT", "1999-01-01")


def test_an_error_of_the_facility_is_raised_with_its_message(facility: tuple[tuple[str, ...], type[FacilityHandler]]) -> None:
    """A 503 raises FacilityFailed with the status."""
    with pytest.raises(FacilityFailed, match="503"):
        remote(facility[0]).lookup_by_city("EWR", "CLT", "1998-01-01")


@pytest.mark.parametrize(
    ("caller", "transaction"), [("kiosk", "reprint_boarding_pass"), ("ivr", "baggage_allowance"), ("partner", "fare_rules")]
)
def test_transactions_that_do_not_need_the_facility_make_no_call(caller: str, transaction: str) -> None:
    """They return content although no facility listens."""
    chosen = next(known for known in transactions_of(caller) if known.name == transaction)
    assert not chosen.needs_facility
    assert chosen.run(remote(("http://127.0.0.1:1",)), PASSENGER)


CUT = b"HTTP/1.1 200 OK\r\ndate: Sun, 06 Oct 2013 22:00:00 GMT\r\nserver: uvicorn\r\ncontent-length: 900\r\n\r\n" + b'{"flights": ['


@pytest.mark.fact("W3")
@pytest.mark.parametrize("size_bytes", [0, 10, 60, 80, len(CUT) - 5, len(CUT)])
def test_an_answer_that_is_cut_off_anywhere_is_a_call_that_failed(size_bytes: int) -> None:
    """In its first line, in its body, and in its headers, where nothing tells how long it should have been: no other exception."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(CUT[:size_bytes])

        cutting = threading.Thread(target=answer)
        cutting.start()
        with pytest.raises(FacilityFailed):
            remote((f"http://127.0.0.1:{listener.getsockname()[1]}",)).lookup_by_city("EWR", "CLT", "2013-10-08")
        cutting.join()
