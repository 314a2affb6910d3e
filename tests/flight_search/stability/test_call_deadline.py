from __future__ import annotations

import json
import socket
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from flight_search.callers.remote import RemoteFlightSearch
from flight_search.settings import CallerSettings
from flight_search.stability import deadline
from flight_search.stability.call import CallDeadlineExceeded, FacilityFailed, FacilityTimedOut
from flight_search.stability.deadline import HEADER, read
from tests.flight_search.fake_facility import ANSWER, FOUND, look_up, serve_responses
from tests.flight_search.services import WITHIN_S
from tests.silent_socket import go_silent, needs_linux

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.faultproxy.servers import ApiClient
    from tests.flight_search.fake_facility import FakeFacility

TOLERANCE_S = 1.0  # of a machine that is at something else; an answer in pieces would take half a minute
BYTE = {"average_size": 1, "size_variation": 0, "delay": 100_000}  # of the toxic `slicer`: a byte every 100 ms


def trickling(facility: FakeFacility, fault_proxy: ApiClient) -> str:
    """Return the URL at which the facility's answers come a byte every 100 ms."""
    made = fault_proxy.create("cf-1", facility.url.removeprefix("http://"))
    fault_proxy.add("cf-1", "slicer", **BYTE)
    return f"http://{made['listen']}"


def stub(url: str, **settings: object) -> RemoteFlightSearch:
    """Return a stub of an address."""
    return RemoteFlightSearch(CallerSettings(name="kiosk", flight_search_urls=(url,), **settings))  # type: ignore[arg-type]


def exceeded_s(flights: RemoteFlightSearch) -> float:
    """Make a call that exceeds its deadline; return how long it took."""
    began_s = time.monotonic()
    with pytest.raises(CallDeadlineExceeded):
        look_up(flights)
    return time.monotonic() - began_s


@pytest.mark.variant("call_deadline")
@pytest.mark.alone
@pytest.mark.fact("S3", "W5")
def test_an_answer_that_comes_byte_by_byte_ends_at_the_deadline(facility: FakeFacility, fault_proxy: ApiClient) -> None:
    """No later, though each read has its byte in time; its one connection is free for the next call, and is another one."""
    flights = stub(trickling(facility, fault_proxy), call_deadline_s=0.5, call_read_timeout_s=0.4, call_connections=1)
    assert 0.5 <= exceeded_s(flights) < 0.5 + TOLERANCE_S
    fault_proxy.remove("cf-1", "slicer_downstream")
    assert look_up(flights) == FOUND
    assert flights.connections is not None
    assert flights.connections.shown()["connections_out"] == []


@pytest.mark.fact("W5")
def test_a_read_time_out_alone_does_not_end_it(facility: FakeFacility, fault_proxy: ApiClient) -> None:
    """When a call with a deadline has ended, one with a shorter time-out for reads still waits, and is answered in the end."""
    url, found = trickling(facility, fault_proxy), list[object]()
    waiting = threading.Thread(target=lambda: found.append(look_up(stub(url, call_read_timeout_s=60.0))))
    waiting.start()
    exceeded_s(stub(url, call_deadline_s=0.5))
    assert waiting.is_alive()
    fault_proxy.remove("cf-1", "slicer_downstream")
    waiting.join(WITHIN_S)
    assert found == [FOUND]


def test_an_answer_in_time_is_an_answer(facility: FakeFacility) -> None:
    """A call with a deadline answers, fails and refuses as one without, and its connection serves the next one."""
    flights = facility.stub(call_deadline_s=60.0)
    assert look_up(flights) == look_up(flights) == FOUND
    facility.do = "fail"
    with pytest.raises(FacilityFailed, match="503") as failed:
        look_up(flights)
    assert not isinstance(failed.value, FacilityTimedOut)


def test_all_attempts_of_a_call_are_within_its_deadline(facility: FakeFacility) -> None:
    """No attempt is sent after it, however many the retry would make; the error has the last one's."""
    facility.do = "fail"
    with pytest.raises(CallDeadlineExceeded, match=r"lookup_by_city: no whole answer within 0\.50 s; the last: .*"):
        look_up(facility.stub(retries=100, retry_wait_s=0.1, call_deadline_s=0.5))
    assert 1 <= len(facility.asked) <= 11  # the waits between them are 0.05 s at least


def test_a_call_that_waits_for_a_connection_ends_at_the_deadline(facility: FakeFacility) -> None:
    """The only one is out, and the call is never sent; an earlier deadline, of what it is part of, holds for it, too."""
    flights = facility.stub(call_connections=1, call_deadline_s=60.0)
    with facility.hanging(partial(look_up, flights)):
        with deadline.limited(0.3):
            exceeded_s(flights)
        assert facility.asked == ["GET /flights"]


@needs_linux
@pytest.mark.fact("W2")
def test_a_connect_that_is_never_answered_ends_at_the_deadline() -> None:
    """Although it has no time-out of its own, and the kernel would try for two minutes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        go_silent(listener)
        exceeded_s(stub(f"http://127.0.0.1:{listener.getsockname()[1]}", call_deadline_s=0.3))


def test_each_attempt_tells_what_is_left(facility: FakeFacility) -> None:
    """In milliseconds, and less each time; a call without a deadline tells nothing."""
    told: list[str | None] = []

    def respond(_: str, __: str, headers: Mapping[str, str], ___: bytes) -> tuple[int, bytes]:
        told.append(headers.get(HEADER))
        return 200 if len(told) in {3, 4} else 503, json.dumps(ANSWER).encode()

    with serve_responses(respond) as url:
        look_up(stub(url, retries=2, retry_wait_s=0.01, call_deadline_s=60.0))
        look_up(stub(url))
    left_s = [None if value is None else read(value) for value in told]
    first_s, second_s, third_s, without = left_s
    assert without is None
    assert first_s is not None
    assert second_s is not None
    assert third_s is not None
    assert 60 >= first_s > second_s > third_s > 0
