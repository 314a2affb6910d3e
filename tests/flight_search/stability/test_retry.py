from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from flight_search.app import create_app
from flight_search.callers.remote import RemoteFlightSearch
from flight_search.datasource import MonitoredDataSource
from flight_search.settings import CallerSettings, ServerSettings
from flight_search.stability.call import Call, FacilityAnswer, NoSuchFlight
from flight_search.stability.circuit_breaker import CircuitOpen
from flight_search.stability.retry import Retry
from tests.flight_search.fake_facility import PASSENGER, fails, look_up, serve_app, serve_responses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.flight_search.fake_facility import FakeFacility


@pytest.mark.variant("retry")
def test_a_failed_call_is_retried_its_number_of_times(facility: FakeFacility, caplog: pytest.LogCaptureFixture) -> None:
    """Three retries are four calls, the last of which raises; nothing is logged."""
    facility.do = "fail"
    with caplog.at_level(logging.DEBUG, "stamina"):
        fails(partial(look_up, facility.stub(retries=3, retry_wait_s=0.001)))
    assert len(facility.asked) == 4
    assert not [record for record in caplog.records if record.name == "stamina"]


def test_a_call_that_is_answered_or_refused_is_sent_once(facility: FakeFacility) -> None:
    """An answer ends a call, and so does NoSuchFlight: another attempt would get the same."""
    flights = facility.stub(retries=3, retry_wait_s=0.001)
    look_up(flights)
    facility.do = "refuse"
    with pytest.raises(NoSuchFlight):
        look_up(flights)
    assert len(facility.asked) == 2


def test_an_open_circuit_breaker_is_not_retried() -> None:
    """CircuitOpen is raised at once."""
    sent = []

    def send(call: Call) -> FacilityAnswer:
        sent.append(call)
        raise CircuitOpen("open")

    with pytest.raises(CircuitOpen):
        Retry(send, retries=3, wait_s=0.001)(Call("lookup_by_city", "/flights"))
    assert len(sent) == 1


def test_the_circuit_breaker_counts_each_attempt(facility: FakeFacility) -> None:
    """The retries of one call open the breaker, which ends them."""
    facility.do = "fail"
    with pytest.raises(CircuitOpen):
        look_up(facility.stub(retries=5, retry_wait_s=0.001, circuit_breaker_at=2))
    assert len(facility.asked) == 2


def test_a_booking_whose_answer_was_lost_is_retried_and_is_one_booking(conninfo: str) -> None:
    """If the facility books and hangs up before it answers, a retry gets the reference of the same booking."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1))
    statuses = []

    def lose_the_first(method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes] | None:
        answer = server.request(method, path, headers=dict(headers), content=body)
        statuses.append(answer.status_code)
        return None if len(statuses) == 1 else (answer.status_code, answer.content)

    with serve_app(create_app(ServerSettings(database=conninfo), pool)) as server, serve_responses(lose_the_first) as url:
        settings = CallerSettings(name="partner", flight_search_urls=(url,), retries=1, retry_wait_s=0.001)
        reference = RemoteFlightSearch(settings).book(PASSENGER)
    pool.dispose()
    assert statuses == [201, 201]
    with psycopg.connect(conninfo) as connection:
        booked = connection.execute("SELECT reference FROM bookings WHERE idempotency_key = %s", [PASSENGER.request]).fetchall()
    assert booked == [(reference,)]
