from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest

from flight_search.callers.app import create_app
from flight_search.settings import CallerSettings, SettingsError, from_environment
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


@pytest.mark.variant("bulkhead_spare_threads")
@pytest.mark.fact("S6", "S8")
@pytest.mark.parametrize(("settings", "answered"), [({"bulkhead_at": 2}, False), ({"bulkhead_spare_threads": 1}, True)])
def test_a_number_of_places_leaves_room_only_if_there_are_more_threads(
    facility: FakeFacility, settings: dict[str, int], *, answered: bool
) -> None:
    """Of two threads, two places may hang both; a thread that is spared is free for boarding passes, however many threads there are."""
    with serve_app(create_app(facility.settings(request_threads=2, **settings))) as kiosk:
        check_in = partial(kiosk.post, "/transactions/check_in", json=BODY)
        places = 1 if answered else 2

        def hangs() -> None:
            raise FacilityFailed(check_in().json()["detail"])

        with facility.hanging(*[hangs] * places):
            if answered:
                assert check_in().status_code == 502
                assert kiosk.post("/transactions/reprint_boarding_pass", json=BODY).status_code == 200
            else:
                with pytest.raises(httpx.TimeoutException):
                    kiosk.post("/transactions/reprint_boarding_pass", json=BODY, timeout=0.5)


@pytest.mark.parametrize(
    ("settings", "places"),
    [({}, None), ({"bulkhead_at": 20}, 20), ({"bulkhead_spare_threads": 2}, 8), ({"bulkhead_at": 3, "bulkhead_spare_threads": 2}, 3)],
)
def test_the_smaller_of_both_bulkheads_counts(facility: FakeFacility, settings: dict[str, int], places: int | None) -> None:
    """Of ten request threads."""
    assert facility.settings(request_threads=10, **settings).bulkhead_places == places


def test_a_bulkhead_that_spares_every_thread_is_refused(facility: FakeFacility, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was found and what is allowed: no call could ever be sent."""
    values = {"NAME": "kiosk", "FLIGHT_SEARCH_URLS": facility.url, "REQUEST_THREADS": "3", "BULKHEAD_SPARE_THREADS": "3"}
    for name, value in values.items():
        monkeypatch.setenv(f"CALLER_{name}", value)
    with pytest.raises(SettingsError, match=r"CALLER_BULKHEAD_SPARE_THREADS: .*allowed: less than the 3 request threads.*; found '3'"):
        from_environment(CallerSettings)
