"""Requests that were declared of a service in the place of this one: what is sent, and what counts as an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flight_search.callers import declared
from flight_search.callers.declared_call import call_of
from flight_search.callers.transaction import transactions_of
from flight_search.declared_requests import Declared, DeclaredRequest
from flight_search.settings import CallerSettings, from_environment
from flight_search.stability.call import FacilityFailed, NoSuchFlight
from tests.flight_search.fake_facility import PASSENGER, FakeFacility, run_facility

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def facility() -> Iterator[FakeFacility]:
    """Run a server in the facility's place."""
    with run_facility() as fake:
        yield fake


def test_a_call_has_the_values_of_the_passenger() -> None:
    """A path quotes what a URL gives a meaning, a text of the body that is one template keeps its kind, and JSON says that it is JSON."""
    request = DeclaredRequest(
        method="PUT",
        path="/x/{passenger}?to={destination}",
        headers={"X-Flight": "{flight}"},
        body={"flight": "{flight}", "of": ["{carrier}!"]},
    )
    call = call_of("book", request, PASSENGER)
    assert (call.method, call.path, call.text) == ("PUT", "/x/P-1?to=CLT", '{"flight": 1843, "of": ["US!"]}')
    assert dict(call.headers) == {"X-Flight": "1843", "Content-Type": "application/json"}
    assert not call.is_read


def test_only_what_needs_the_facility_is_sent_elsewhere() -> None:
    """A transaction that the caller does by itself stays its own."""
    own = transactions_of("kiosk")
    found = declared.transactions(own, Declared(requests={"check_in": DeclaredRequest(method="GET", path="/")}))
    assert [(transaction.name, transaction.run is before.run) for transaction, before in zip(found, own, strict=True)] == [
        ("check_in", False),
        ("reprint_boarding_pass", True),
    ]


@pytest.mark.parametrize(
    ("request_", "raised"),
    [
        (DeclaredRequest(method="GET", path="/flights"), None),
        (DeclaredRequest(method="GET", path="/flights", answered_field="flights.0.carrier"), None),
        (DeclaredRequest(method="GET", path="/flights", answered_field="flights.1"), FacilityFailed),
        (DeclaredRequest(method="GET", path="/flights", answered=(204,)), FacilityFailed),
        (DeclaredRequest(method="GET", path="/flights", answered=(204,), refused=(200,)), NoSuchFlight),
        (DeclaredRequest(method="POST", path="/bookings", body="x"), None),
    ],
)
def test_what_counts_as_an_answer(facility: FakeFacility, request_: DeclaredRequest, raised: type[Exception] | None) -> None:
    """An answer is what was declared to be one, a refusal what was declared to be one, and everything else a failure."""
    stub = facility.stub(declared_requests=Declared(requests={}))
    call = call_of("search", request_, PASSENGER)
    if raised is None:
        stub.ask(call)
    else:
        with pytest.raises(raised):
            stub.ask(call)


def test_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was declared comes as JSON in the caller's environment."""
    monkeypatch.setenv("CALLER_NAME", "kiosk")
    monkeypatch.setenv("CALLER_FLIGHT_SEARCH_URLS", "http://127.0.0.1:1")
    monkeypatch.setenv("CALLER_DECLARED_REQUESTS", '{"health": null, "requests": {"search": {"method": "GET", "path": "/a"}}}')
    settings = from_environment(CallerSettings)
    assert settings.declared_requests == Declared(requests={"search": DeclaredRequest(method="GET", path="/a")})
