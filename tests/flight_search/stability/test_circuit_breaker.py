from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import circuitbreaker
import pytest

from flight_search.stability.call import FacilityTimedOut, NoSuchFlight
from flight_search.stability.circuit_breaker import CircuitOpen
from tests.flight_search.fake_facility import PASSENGER, fails, look_up

if TYPE_CHECKING:
    from flight_search.callers.remote import RemoteFlightSearch
    from tests.flight_search.fake_facility import Facility


def fail(flights: RemoteFlightSearch, times: int) -> None:
    """Make calls that fail."""
    for _ in range(times):
        fails(partial(look_up, flights))


@pytest.mark.variant("circuit_breaker")
@pytest.mark.fact("S10")
def test_after_so_many_failures_in_a_row_nobody_is_called(facility: Facility) -> None:
    """The facility hears of three calls of five, whatever they ask for; the message says why there was none."""
    facility.do = "fail"
    flights = facility.stub(circuit_breaker_at=3)
    fail(flights, 3)
    with pytest.raises(CircuitOpen, match=r"lookup_by_city: not called, .* 1\.00 s after 3 failed calls in a row; the last: .*503"):
        look_up(flights)
    with pytest.raises(CircuitOpen):
        flights.check_in(PASSENGER)
    assert len(facility.asked) == 3


@pytest.mark.parametrize("between", ["answer", "refuse"])
def test_an_answer_in_between_starts_the_count_anew(facility: Facility, between: str) -> None:
    """That there is no such flight is an answer too: the facility works."""
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
def test_calls_that_hang_never_open_it(facility: Facility) -> None:
    """Nothing has failed while four hang at a breaker that opens after one; and none of them holds the others up at it."""
    flights = facility.stub(circuit_breaker_at=1)
    with facility.hanging(*[partial(look_up, flights)] * 4):
        facility.do = "answer"
        assert look_up(flights)


@pytest.mark.variant("circuit_breaker_call_timeout")
@pytest.mark.fact("S3")
def test_with_a_time_out_calls_that_hang_open_it(facility: Facility) -> None:
    """A call that waits only so long is one that fails, and two of them are enough."""
    facility.do = "hang"
    flights = facility.stub(circuit_breaker_at=2, call_read_timeout_s=0.05)
    for _ in range(2):
        with pytest.raises(FacilityTimedOut):
            look_up(flights)
    with pytest.raises(CircuitOpen):
        look_up(flights)
    assert len(facility.asked) == 2


def test_after_its_time_one_failure_opens_it_again_and_one_answer_closes_it(facility: Facility, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays open for as long as it is set to, and what comes back then decides."""
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
