from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from flight_search.callers.app import create_app
from flight_search.stability.call import Call, FacilityAnswer, FacilityFailed
from flight_search.stability.retry import Retry
from flight_search.stability.retry_budget import MOST_SAVED, RetryBudget
from tests.flight_search.fake_facility import BODY, FOUND, fails, look_up, serve_app

if TYPE_CHECKING:
    from tests.flight_search.fake_facility import FakeFacility

TENTH = 0.1


def counts(budget: RetryBudget) -> tuple[float, float, float]:
    """Return its metrics: retries made, retries denied, retries left."""
    retries, left = budget.collect()
    by_result = {sample.labels["result"]: sample.value for sample in retries.samples}
    return by_result["made"], by_result["denied"], left.samples[0].value


@pytest.mark.variant("retry_budget")
def test_retries_are_never_more_than_a_tenth_of_the_calls(facility: FakeFacility) -> None:
    """Of fifty calls that all fail, each of which may be retried three times, five are retried, once; the others are denied one each."""
    facility.do = "fail"
    flights = facility.stub(retries=3, retry_wait_s=0.001, retry_budget=TENTH)
    for made in range(1, 51):
        fails(partial(look_up, flights))
        assert len(facility.asked) - made <= made * TENTH
    assert len(facility.asked) == 55
    assert flights.retry_budget is not None
    assert counts(flights.retry_budget) == (5, 50, pytest.approx(0.0))


def test_without_a_budget_the_same_calls_are_four_times_as_many(facility: FakeFacility) -> None:
    """Three retries each, and there is no budget to tell of."""
    facility.do = "fail"
    flights = facility.stub(retries=3, retry_wait_s=0.001)
    for _ in range(5):
        fails(partial(look_up, flights))
    assert len(facility.asked) == 20
    assert flights.retry_budget is None


def test_a_lone_failure_among_calls_that_are_answered_is_retried(facility: FakeFacility) -> None:
    """Ten answered calls have earned it."""
    flights = facility.stub(retries=1, retry_wait_s=0.001, retry_budget=TENTH)
    for _ in range(10):
        look_up(flights)
    facility.do = "fail"
    fails(partial(look_up, flights))
    facility.do = "answer"
    assert look_up(flights) == FOUND
    assert len(facility.asked) == 13


def test_a_call_that_has_used_up_its_own_retries_asks_for_none() -> None:
    """The last failure of a call neither takes a retry nor counts as one that was denied."""
    budget = RetryBudget(1.0)
    for _ in range(5):
        budget.earn()

    def send(_: Call) -> FacilityAnswer:
        raise FacilityFailed("no")

    with pytest.raises(FacilityFailed):
        Retry(send, retries=2, wait_s=0.001, budget=budget)(Call("lookup_by_city", "/flights"))
    assert counts(budget) == (2, 0, 4.0)


def test_a_calm_day_saves_up_only_so_much() -> None:
    """A million calls earn as many retries as a hundred."""
    budget = RetryBudget(TENTH)
    for _ in range(100_000):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == MOST_SAVED


def test_threads_spend_nothing_twice() -> None:
    """Of eight threads that earn and spend at once, all together spend no more than a tenth of what they earned."""
    budget = RetryBudget(TENTH)

    def work() -> int:
        spent = 0
        for _ in range(2_000):
            budget.earn()
            spent += budget.spend()
        return spent

    with ThreadPoolExecutor(8) as threads:
        spent = sum(future.result() for future in [threads.submit(work) for _ in range(8)])
    made, denied, _ = counts(budget)
    assert (made, made + denied) == (spent, 16_000)
    assert spent <= 1_600


def test_a_callers_metrics_tell_of_its_budget(facility: FakeFacility) -> None:
    """How many retries were made and how many denied; without a budget there are none."""
    facility.do = "fail"
    with serve_app(create_app(facility.settings(retries=3, retry_budget=TENTH))) as caller:
        caller.post("/transactions/check_in", json=BODY)
        text = caller.get("/metrics").text
    assert 'retries_total{result="made"} 0.0' in text
    assert 'retries_total{result="denied"} 1.0' in text
    with serve_app(create_app(facility.settings(retries=3))) as caller:
        assert "retries_total" not in caller.get("/metrics").text
