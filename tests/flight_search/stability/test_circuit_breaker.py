from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import circuitbreaker
import pytest

from flight_search.stability.call import FacilityTimedOut, NoSuchFlight
from flight_search.stability.circuit_breaker import CircuitOpen
from tests.flight_search.fake_facility import FOUND, PASSENGER, fails, look_up

if TYPE_CHECKING:
    from flight_search.callers.remote import RemoteFlightSearch
    from tests.flight_search.fake_facility import FakeFacility


def fail(flights: RemoteFlightSearch, times: int) -> None:
    """Make a number of calls that fail."""
    for _ in range(times):
        fails(partial(look_up, flights))


@pytest.mark.variant("circuit_breaker")
@pytest.mark.fact("S10")
def test_after_its_number_of_failures_in_a_row_no_call_is_sent(facility: FakeFacility) -> None:
    """Of five calls, whatever their operation, the facility gets three; the others raise CircuitOpen with the reason."""
    facility.do = "fail"
    flights = facility.stub(circuit_breaker_at=3)
    fail(flights, 3)
    with pytest.raises(CircuitOpen, match=r"lookup_by_city: not called, .* 1\.00 s after 3 failed calls in a row; the last: .*503"):
        look_up(flights)
    with pytest.raises(CircuitOpen):
        flights.check_in(PASSENGER)
    assert len(facility.asked) == 3


@pytest.mark.parametrize("between", ["answer", "refuse"])
def test_an_answer_in_between_resets_the_count(facility: FakeFacility, between: str) -> None:
    """An answer resets the count of failures, and so does NoSuchFlight: the facility works."""
    flights = facility.stub(circuit_breaker_at=3)
    for _ in range(3):
        facility.do = "fail"
        fail(flights, 2)
        facility.do = between
        try:
            look_up(flights)
        except NoSuchFlight:
            assert between == "refuse"
    assert len(facility.asked) == 9


@pytest.mark.fact("O6")
def test_calls_that_hang_never_open_it(facility: FakeFacility) -> None:
    """While four calls hang at a breaker that opens after one failure, the next call is sent and answered, without waiting for them."""
    flights = facility.stub(circuit_breaker_at=1)
    with facility.hanging(*[partial(look_up, flights)] * 4):
        facility.do = "answer"
        assert look_up(flights) == FOUND
        assert facility.asked == ["GET /flights"] * 5


@pytest.mark.variant("circuit_breaker_call_timeout")
@pytest.mark.fact("S3")
def test_with_a_time_out_calls_that_hang_open_it(facility: FakeFacility) -> None:
    """A call that times out counts as failed, and two of them open a breaker that opens at two."""
    facility.do = "hang"
    flights = facility.stub(circuit_breaker_at=2, call_read_timeout_s=0.05)
    for _ in range(2):
        with pytest.raises(FacilityTimedOut):
            look_up(flights)
    with pytest.raises(CircuitOpen):
        look_up(flights)
    assert len(facility.asked) == 2


def test_after_its_time_a_failure_opens_it_again_and_an_answer_closes_it(facility: FakeFacility, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays open for `open_s`; then the first result decides: a failure opens it again, an answer closes it."""
    now_s = 100.0
    monkeypatch.setattr(circuitbreaker, "monotonic", lambda: now_s)
    facility.do = "fail"
    flights = facility.stub(circuit_breaker_at=3, circuit_breaker_open_s=0.5)
    fail(flights, 3)
    now_s += 0.4
    with pytest.raises(CircuitOpen):
        look_up(flights)
    now_s += 0.2
    fail(flights, 1)
    assert len(facility.asked) == 4
    with pytest.raises(CircuitOpen):
        look_up(flights)
    now_s += 0.6
    facility.do = "answer"
    look_up(flights)
    facility.do = "fail"
    fail(flights, 2)
    assert len(facility.asked) == 7
