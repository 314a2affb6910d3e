from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from flight_search.callers.app import create_app
from flight_search.stability.call import FacilityFailed
from tests.flight_search.fake_facility import BODY, fails, look_up, serving

if TYPE_CHECKING:
    from tests.flight_search.fake_facility import Facility


@pytest.mark.variant("bulkhead")
@pytest.mark.fact("S6", "S8")
def test_the_threads_that_are_not_let_in_are_free_for_what_needs_no_facility(facility: Facility) -> None:
    """Of three request threads two hang in the facility; whoever comes then is refused, and boarding passes are reprinted."""
    with serving(create_app(facility.settings(request_threads=3, bulkhead_at=2))) as kiosk:
        check_in = partial(kiosk.post, "/transactions/check_in", json=BODY)

        def hangs() -> None:
            raise FacilityFailed(check_in().json()["detail"])

        with facility.hanging(hangs, hangs):
            for _ in range(3):
                answer = check_in()
                assert (answer.status_code, answer.json()["detail"]) == (
                    502,
                    "lookup_by_city: not called, 2 of 2 places of the bulkhead are taken",
                )
            assert kiosk.post("/transactions/reprint_boarding_pass", json=BODY).status_code == 200
        assert len(facility.asked) == 2


def test_a_place_is_given_back_however_the_call_ends(facility: Facility) -> None:
    """After calls that failed and calls that were answered, the only place is free."""
    flights = facility.stub(bulkhead_at=1)
    for do in ("fail", "answer", "fail", "answer"):
        facility.do = do
        if do == "fail":
            fails(partial(look_up, flights))
        else:
            assert look_up(flights)
    assert len(facility.asked) == 4
