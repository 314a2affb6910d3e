"""A caller that has only so many HTTP connections, and a leak that loses them."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from flight_search import request_context
from flight_search.callers.connections import ConnectionTable
from flight_search.callers.remote import RemoteFlightSearch
from tests.flight_search.fake_facility import fails, look_up, run_facility

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.flight_search.fake_facility import FakeFacility


@pytest.fixture
def facility() -> Iterator[FakeFacility]:
    """Run a facility."""
    with run_facility() as facility:
        yield facility


def out(flights: RemoteFlightSearch) -> list[dict[str, object]]:
    """Return the connections that are out."""
    assert isinstance(flights.connections, ConnectionTable)
    rows = flights.connections.shown()["connections_out"]
    assert isinstance(rows, list)
    return rows


def test_every_call_gives_its_connection_back(facility: FakeFacility) -> None:
    """Answered, refused, or broken: as many calls as one likes go over two connections."""
    flights = facility.stub(call_connections=2)
    for do in ("answer", "fail", "answer"):
        facility.do = do
        for _ in range(3):
            look_up(flights) if do == "answer" else fails(lambda: look_up(flights))
    with facility.hanging(lambda: look_up(flights)):
        (row,) = out(flights)
        assert row["request_running"]
        assert str(row["checked_out_at"]).startswith("['callers/remote.py:")
    assert out(flights) == []


def test_a_call_waits_until_a_connection_is_free(facility: FakeFacility) -> None:
    """With one connection, the second call goes out only when the first has ended."""
    flights = facility.stub(call_connections=1)
    with facility.hanging(lambda: look_up(flights)):
        facility.do = "answer"
        second = threading.Thread(target=look_up, args=(flights,))
        second.start()
        assert not facility.arrived.acquire(timeout=0.2)
    facility.wait_asked(1)
    second.join()


def test_an_answer_that_is_never_read_loses_its_connection_for_good(facility: FakeFacility) -> None:
    """Every second lookup: also when it is collected, its place is gone, and the table says who took it."""
    flights = facility.stub(call_connections=2, leak_connection_every=2)
    with request_context.request("check_in"):
        look_up(flights)
        assert out(flights) == []
        look_up(flights)
    gc.collect()
    (row,) = out(flights)
    assert (row["operation"], row["request_running"], row["error"]) == ("check_in", False, "")
    assert str(row["checked_out_at"]).startswith("['callers/seeded_leaks.py:")
    assert facility.asked.count("GET /health") == 1


def test_without_the_settings_nothing_is_bounded_and_nothing_lost(facility: FakeFacility) -> None:
    """As on that night."""
    flights = facility.stub()
    look_up(flights)
    assert flights.connections is None
    assert facility.asked == ["GET /flights"]


@pytest.mark.parametrize("settings", [{"call_connections": 0}, {"leak_connection_every": 0}, {"call_connections": 1001}])
def test_a_wrong_number_is_refused(facility: FakeFacility, settings: dict[str, int]) -> None:
    """Before anything starts."""
    with pytest.raises(ValidationError, match=next(iter(settings))):
        facility.settings(**settings)
