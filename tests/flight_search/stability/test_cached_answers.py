from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from flight_search.callers import transactions_of
from flight_search.stability.cached_answers import CachedAnswers
from flight_search.stability.call import Answer, Call, FacilityFailed
from tests.flight_search.fake_facility import PASSENGER, look_up

if TYPE_CHECKING:
    from flight_search.callers import Result
    from flight_search.callers.remote import RemoteFlightSearch
    from tests.flight_search.fake_facility import Facility

LOOKUP = Call("lookup_by_city", "/flights", params=(("from", "EWR"), ("to", "CLT")))
CHECK_IN = Call("check_in", "/check-ins", body={"passenger": "P-1"})


class Clock:
    """A facility that answers with a number of its own each time, in no time or in some, and a clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.takes_s = 0.0
        self.calls = 0

    def send(self, _: Call) -> Answer:
        """Answer."""
        self.now_s += self.takes_s
        self.calls += 1
        return Answer({"answer": self.calls})

    def cached(self, for_s: float) -> CachedAnswers:
        """Give the pattern over it."""
        return CachedAnswers(self.send, for_s, lambda: self.now_s)


@pytest.mark.variant("cached_answers")
def test_an_answer_is_served_with_its_age_until_it_is_too_old() -> None:
    """One that was asked for now has no age; after its time it is asked for again."""
    clock = Clock()
    cached = clock.cached(for_s=60)
    assert cached(LOOKUP) == Answer({"answer": 1})
    clock.now_s = 59.0
    assert cached(LOOKUP) == Answer({"answer": 1}, age_s=59.0)
    clock.now_s = 60.0
    assert cached(LOOKUP) == Answer({"answer": 2})


def test_an_answer_ages_while_it_is_on_its_way() -> None:
    """What took 50 s to come has 10 s left of 60."""
    clock = Clock()
    clock.takes_s = 50.0
    cached = clock.cached(for_s=60)
    cached(LOOKUP)
    clock.now_s += 9.0
    assert cached(LOOKUP) == Answer({"answer": 1}, age_s=59.0)
    clock.now_s += 1.0
    assert cached(LOOKUP) == Answer({"answer": 2})


def test_writes_and_other_questions_are_never_answered_from_it() -> None:
    """A check-in is made each time, and another destination is another question."""
    clock = Clock()
    cached = clock.cached(for_s=60)
    calls = (CHECK_IN, CHECK_IN, LOOKUP, Call("lookup_by_city", "/flights", params=(("from", "EWR"), ("to", "BOS"))))
    assert [cached(call).age_s for call in calls] == [None] * 4
    assert clock.calls == 4


def test_a_call_that_failed_is_not_remembered(facility: Facility) -> None:
    """The next is made, and answered."""
    facility.do = "fail"
    flights = facility.stub(cached_answers_s=60)
    with pytest.raises(FacilityFailed):
        look_up(flights)
    facility.do = "answer"
    assert look_up(flights)


@pytest.mark.fact("S5", "S6")
def test_what_is_known_is_answered_while_another_call_hangs(facility: Facility) -> None:
    """No thread that waits for the facility holds up one that need not; nor does a write get an answer that it had before."""
    flights = facility.stub(cached_answers_s=60)
    assert tell(flights, "kiosk", "check_in").get("age_s") is None
    with facility.hanging(partial(look_up, flights, "BOS")):
        facility.do = "fail"
        assert tell(flights, "partner", "search")["age_s"] >= 0  # type: ignore[operator]
        with pytest.raises(FacilityFailed):
            tell(flights, "kiosk", "check_in")
    assert [asked.partition(" ")[2] for asked in facility.asked] == ["/flights", "/check-ins", "/flights", "/check-ins"]


@pytest.mark.parametrize(("caller", "transaction"), [("kiosk", "check_in"), ("ivr", "flight_status"), ("partner", "search")])
def test_a_passenger_is_told_the_age(facility: Facility, caller: str, transaction: str) -> None:
    """Whatever a transaction tells from an answer that was known comes with its age, and nothing else does."""
    flights = facility.stub(cached_answers_s=60)
    first, second = tell(flights, caller, transaction), tell(flights, caller, transaction)
    assert {**first, "age_s": second["age_s"]} == second
    assert "age_s" not in first


def tell(flights: RemoteFlightSearch, caller: str, transaction: str) -> Result:
    """Do a transaction of a caller; gives what the passenger is told."""
    return next(one for one in transactions_of(caller) if one.name == transaction).run(flights, PASSENGER)
