from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from flight_search.callers.transaction import transactions_of
from flight_search.stability.cached_answers import CachedAnswers
from flight_search.stability.call import Call, FacilityAnswer, FacilityFailed
from tests.flight_search.fake_facility import FOUND, PASSENGER, look_up

if TYPE_CHECKING:
    from flight_search.callers.remote import RemoteFlightSearch
    from flight_search.callers.transaction import Content
    from tests.flight_search.fake_facility import FakeFacility

LOOKUP = Call("lookup_by_city", "/flights", params=(("from", "EWR"), ("to", "CLT")))
CHECK_IN = Call("check_in", "/check-ins", body={"passenger": "P-1"})


class NumberedFacility:
    """A facility that numbers its answers, and the clock that it takes time of."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.takes_s = 0.0
        self.calls = 0

    def send(self, _: Call) -> FacilityAnswer:
        """Return the next answer after `takes_s` seconds."""
        self.now_s += self.takes_s
        self.calls += 1
        return FacilityAnswer({"answer": self.calls})

    def cached(self, for_s: float) -> CachedAnswers:
        """Return a cache in front of this facility."""
        return CachedAnswers(self.send, for_s, lambda: self.now_s)


@pytest.mark.variant("cached_answers")
def test_an_answer_is_served_with_its_age_until_it_is_too_old() -> None:
    """A fresh answer has no age, a cached one has, and after `for_s` seconds the call is sent again."""
    numbered = NumberedFacility()
    cached = numbered.cached(for_s=60)
    assert cached(LOOKUP) == FacilityAnswer({"answer": 1})
    numbered.now_s = 59.0
    assert cached(LOOKUP) == FacilityAnswer({"answer": 1}, age_s=59.0)
    numbered.now_s = 60.0
    assert cached(LOOKUP) == FacilityAnswer({"answer": 2})


def test_an_answer_ages_while_it_is_on_its_way() -> None:
    """An answer that took 50 s to arrive expires 10 s later, with a limit of 60."""
    numbered = NumberedFacility()
    numbered.takes_s = 50.0
    cached = numbered.cached(for_s=60)
    cached(LOOKUP)
    numbered.now_s += 9.0
    assert cached(LOOKUP) == FacilityAnswer({"answer": 1}, age_s=59.0)
    numbered.now_s += 1.0
    assert cached(LOOKUP) == FacilityAnswer({"answer": 2})


def test_writes_and_different_reads_are_never_answered_from_the_cache() -> None:
    """Every check-in is sent, and a lookup of another destination is another call."""
    numbered = NumberedFacility()
    cached = numbered.cached(for_s=60)
    calls = (CHECK_IN, CHECK_IN, LOOKUP, Call("lookup_by_city", "/flights", params=(("from", "EWR"), ("to", "BOS"))))
    assert [cached(call).age_s for call in calls] == [None] * 4
    assert numbered.calls == 4


def test_a_failed_call_is_not_cached(facility: FakeFacility) -> None:
    """The call after a failed one is sent, and answered."""
    facility.do = "fail"
    flights = facility.stub(cached_answers_s=60)
    with pytest.raises(FacilityFailed):
        look_up(flights)
    facility.do = "answer"
    assert look_up(flights) == FOUND


@pytest.mark.fact("S5", "S6")
def test_a_cached_answer_is_returned_while_another_call_hangs(facility: FakeFacility) -> None:
    """A hanging call does not delay a cached answer, and a write is still sent."""
    flights = facility.stub(cached_answers_s=60)
    assert run_transaction(flights, "kiosk", "check_in").get("age_s") is None
    with facility.hanging(partial(look_up, flights, "BOS")):
        facility.do = "fail"
        assert run_transaction(flights, "partner", "search")["age_s"] >= 0  # type: ignore[operator]
        with pytest.raises(FacilityFailed):
            run_transaction(flights, "kiosk", "check_in")
    assert [asked.partition(" ")[2] for asked in facility.asked] == ["/flights", "/check-ins", "/flights", "/check-ins"]


@pytest.mark.parametrize(("caller", "transaction"), [("kiosk", "check_in"), ("ivr", "flight_status"), ("partner", "search")])
def test_a_passenger_is_answered_with_the_age(facility: FakeFacility, caller: str, transaction: str) -> None:
    """A transaction's content has `age_s` if it came from a cached answer, and only then."""
    flights = facility.stub(cached_answers_s=60)
    first, second = run_transaction(flights, caller, transaction), run_transaction(flights, caller, transaction)
    assert {**first, "age_s": second["age_s"]} == second
    assert "age_s" not in first


def run_transaction(flights: RemoteFlightSearch, caller: str, transaction: str) -> Content:
    """Run a transaction of a caller; return its content."""
    return next(known for known in transactions_of(caller) if known.name == transaction).run(flights, PASSENGER)
