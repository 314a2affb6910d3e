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
from tests.flight_search.fake_facility import BODY, serve_app
from tests.flight_search.services import WITHIN_S

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.flight_search.fake_facility import FakeFacility


def gauges(service: httpx.Client) -> dict[str, float]:
    """Return the values of a service's metrics by name, without labels."""
    families = text_string_to_metric_families(service.get("/metrics").text)
    return {sample.name: sample.value for family in families for sample in family.samples}


@pytest.mark.variant("decoupled")
@pytest.mark.fact("S5", "S6", "S8")
def test_passengers_wait_without_a_request_thread_for_a_facility_that_hangs(facility: FakeFacility) -> None:
    """A kiosk with one request thread has twelve requests waiting, eight of them in the facility, and still reprints boarding passes."""
    with serve_app(create_app(facility.settings(request_threads=1, decoupled=True))) as kiosk:

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
    """Wait until a gauge has a value, for at most 2,000 looks; return all gauges."""
    values: dict[str, float] = {}
    for _ in range(2000):
        values = gauges(service)
        if values[gauge] == value:
            return values
    raise AssertionError(f"{gauge} never was {value:.0f}, last seen: {values}")


@pytest.mark.parametrize(("do", "status"), [("answer", 200), ("refuse", 404), ("fail", 502), ("hang", 504)])
def test_a_transaction_ends_as_it_does_in_a_request_thread(facility: FakeFacility, do: str, status: int) -> None:
    """Content, HTTP status and count are the same with and without a broker."""
    facility.do = do
    endings = []
    for decoupled in (False, True):
        settings = facility.settings("partner", decoupled=decoupled, call_read_timeout_s=0.1)
        with serve_app(create_app(settings)) as partner:
            answer = partner.post("/transactions/search", json=BODY)
            counted = [line for line in partner.get("/metrics").text.splitlines() if line.startswith("transactions_total")]
            endings.append((answer.status_code, answer.json(), counted))
    assert endings[0] == endings[1]
    assert endings[0][0] == status


async def test_each_reply_reaches_its_own_request() -> None:
    """Of fifty concurrent requests from each of two processes at one broker, each gets its own reply."""

    def reply(by: str, request: dict[str, Any]) -> dict[str, Any]:
        return {"by": by, "to": request["of"]}

    with Decoupled("kiosk", "memory://", partial(reply, "a")) as a, Decoupled("kiosk", "memory://", partial(reply, "b")) as b:
        replies = await asyncio.gather(*[process.ask({"of": number}) for number in range(50) for process in (a, b)])
    assert replies == [{"by": by, "to": number} for number in range(50) for by in ("a", "b")]


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")  # of how kombu uses it
async def test_two_callers_share_an_external_broker(tmp_path: Path) -> None:
    """Two callers at one broker, here in a file whose tables hold every queue, each run their own requests."""
    broker = f"sqla+sqlite:///{tmp_path}/broker"
    with Decoupled("kiosk", broker, lambda _: {"by": "kiosk"}) as kiosk, Decoupled("ivr", broker, lambda _: {"by": "ivr"}) as ivr:
        assert await asyncio.gather(kiosk.ask({}), ivr.ask({})) == [{"by": "kiosk"}, {"by": "ivr"}]


async def test_an_error_reaches_its_request_and_the_next_request_is_served() -> None:
    """An error in `work` is raised by `ask` and ends no dispatcher, even if there are more errors than dispatchers."""

    def work(request: dict[str, Any]) -> dict[str, Any]:
        return {"half": 1 / request["of"]}

    with Decoupled("kiosk", "memory://", work) as decoupled:
        for _ in range(DISPATCHERS + 1):
            with pytest.raises(RuntimeError, match="ZeroDivisionError: division by zero"):
                await decoupled.ask({"of": 0})
        assert await decoupled.ask({"of": 2}) == {"half": 0.5}


async def test_its_end_does_not_wait_for_a_hanging_dispatcher() -> None:
    """After the context the publisher and the replies' thread have ended, while a dispatcher still hangs."""
    hanging, released = threading.Event(), threading.Event()

    def work(_: dict[str, Any]) -> dict[str, Any]:
        hanging.set()
        released.wait(WITHIN_S)
        return {}

    before = set(threading.enumerate())
    with Decoupled("kiosk", "memory://", work) as decoupled:
        asked = asyncio.create_task(decoupled.ask({}))
        assert await asyncio.to_thread(hanging.wait, WITHIN_S)
        started = set(threading.enumerate()) - before
    for thread in started:
        if thread.name.startswith(("publisher", "replies")):
            assert not thread.is_alive()
    released.set()
    for thread in started:
        if thread.name.startswith("dispatcher"):
            await asyncio.to_thread(thread.join, WITHIN_S)
            assert not thread.is_alive()
    asked.cancel()
