from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from flight_search.callers.app import create_app
from flight_search.stability.call import FacilityFailed
from tests.flight_search.fake_facility import BODY, FOUND, fails, look_up, serve_app

if TYPE_CHECKING:
    from tests.flight_search.fake_facility import FakeFacility


@pytest.mark.variant("bulkhead")
@pytest.mark.fact("S6", "S8")
def test_threads_outside_the_bulkhead_serve_what_needs_no_facility(facility: FakeFacility) -> None:
    """While two of three request threads hang in the facility, check-ins fail at once and boarding passes are reprinted."""
    with serve_app(create_app(facility.settings(request_threads=3, bulkhead_at=2))) as kiosk:
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


def test_a_place_is_freed_however_the_call_ends(facility: FakeFacility) -> None:
    """The only place is free again after a call that failed and after one that was answered."""
    flights = facility.stub(bulkhead_at=1)
    for do in ("fail", "answer", "fail", "answer"):
        facility.do = do
        if do == "fail":
            fails(partial(look_up, flights))
        else:
            assert look_up(flights) == FOUND
    assert len(facility.asked) == 4
