from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flight_search.callers.app import create_app
from flight_search.stability.call import FacilityFailed
from flight_search.stability.decoupled import DISPATCHERS, Decoupled
from tests.flight_search.fake_facility import BODY, WITHIN_S, serving

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.flight_search.fake_facility import Facility


def gauges(service: httpx.Client) -> dict[str, float]:
    """Give the numbers of a service's metrics by their names, without labels."""
    families = text_string_to_metric_families(service.get("/metrics").text)
    return {sample.name: sample.value for family in families for sample in family.samples}


@pytest.mark.variant("decoupled")
@pytest.mark.fact("S5", "S6", "S8")
def test_passengers_wait_for_a_facility_that_hangs_without_a_thread(facility: Facility) -> None:
    """Twelve wait, in a kiosk of one request thread: eight with a dispatcher in the facility; and that thread reprints boarding passes."""
    with serving(create_app(facility.settings(request_threads=1, decoupled=True))) as kiosk:

        def check_in() -> None:
            raise FacilityFailed(kiosk.post("/transactions/check_in", json=BODY).json()["detail"])

        behind = [threading.Thread(target=partial(pytest.raises, FacilityFailed, check_in)) for _ in range(4)]
        with facility.hanging(*[check_in] * DISPATCHERS):
            for thread in behind:
                thread.start()
            now = wait_for(kiosk, "requests_waiting_for_reply", DISPATCHERS + len(behind))
            assert (now["request_threads_busy"], now["requests_waiting_for_thread"]) == (0, 0)
            assert kiosk.post("/transactions/reprint_boarding_pass", json=BODY).status_code == 200
            assert len(facility.asked) == DISPATCHERS
        for thread in behind:
            thread.join(WITHIN_S)
        assert gauges(kiosk)["requests_waiting_for_reply"] == 0


def wait_for(service: httpx.Client, gauge: str, value: float) -> dict[str, float]:
    """Wait until a number is reached; gives all of them. Bounded by a number of looks."""
    seen: dict[str, float] = {}
    for _ in range(2000):
        seen = gauges(service)
        if seen[gauge] == value:
            return seen
    raise AssertionError(f"{gauge} never was {value:.0f}, last seen: {seen}")


@pytest.mark.parametrize(("do", "status"), [("answer", 200), ("refuse", 404), ("fail", 502), ("hang", 504)])
def test_a_transaction_ends_as_it_does_in_a_request_thread(facility: Facility, do: str, status: int) -> None:
    """What the passenger is told, HTTP's status and the count are the same either way."""
    facility.do = do
    told = []
    for decoupled in (False, True):
        settings = facility.settings("partner", decoupled=decoupled, call_read_timeout_s=0.1)
        with serving(create_app(settings)) as partner:
            answer = partner.post("/transactions/search", json=BODY)
            counted = [line for line in partner.get("/metrics").text.splitlines() if line.startswith("transactions_total")]
            told.append((answer.status_code, answer.json(), counted))
    assert told[0] == told[1]
    assert told[0][0] == status


async def test_each_reply_goes_to_who_asked() -> None:
    """Fifty at once of each of two processes of one caller, done in any order at one broker: everybody gets their own."""

    def reply(by: str, request: dict[str, Any]) -> dict[str, Any]:
        return {"by": by, "to": request["of"]}

    with Decoupled("kiosk", "memory://", partial(reply, "a")) as a, Decoupled("kiosk", "memory://", partial(reply, "b")) as b:
        replies = await asyncio.gather(*[one.ask({"of": number}) for number in range(50) for one in (a, b)])
    assert replies == [{"by": by, "to": number} for number in range(50) for by in ("a", "b")]


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")  # of how kombu uses it
async def test_two_processes_share_a_broker_that_is_none_of_theirs(tmp_path: Path) -> None:
    """By its URL: here one in a file, which keeps every queue in the same tables."""
    broker = f"sqla+sqlite:///{tmp_path}/broker"
    with Decoupled("kiosk", broker, lambda _: {"by": "kiosk"}) as kiosk, Decoupled("ivr", broker, lambda _: {"by": "ivr"}) as ivr:
        assert await asyncio.gather(kiosk.ask({}), ivr.ask({})) == [{"by": "kiosk"}, {"by": "ivr"}]


async def test_whoever_asked_is_told_of_an_error_and_the_next_is_served() -> None:
    """Not even as many errors as there are dispatchers end one of them."""

    def work(request: dict[str, Any]) -> dict[str, Any]:
        return {"half": 1 / request["of"]}

    with Decoupled("kiosk", "memory://", work) as decoupled:
        for _ in range(DISPATCHERS + 1):
            with pytest.raises(RuntimeError, match="ZeroDivisionError: division by zero"):
                await decoupled.ask({"of": 0})
        assert await decoupled.ask({"of": 2}) == {"half": 0.5}


async def test_its_end_waits_for_no_dispatcher_that_hangs() -> None:
    """The other threads are gone afterwards; the one that hangs goes with the process."""
    hangs, released = threading.Event(), threading.Event()

    def work(_: dict[str, Any]) -> dict[str, Any]:
        hangs.set()
        released.wait(WITHIN_S)
        return {}

    before = set(threading.enumerate())
    with Decoupled("kiosk", "memory://", work) as decoupled:
        asked = asyncio.create_task(decoupled.ask({}))
        assert await asyncio.to_thread(hangs.wait, WITHIN_S)
        ours = set(threading.enumerate()) - before
    for thread in ours:
        if thread.name.startswith(("publisher", "replies")):
            assert not thread.is_alive()
    released.set()
    for thread in ours:
        if thread.name.startswith("dispatcher"):
            await asyncio.to_thread(thread.join, WITHIN_S)
            assert not thread.is_alive()
    asked.cancel()
