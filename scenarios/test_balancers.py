"""What the loss of a balancer costs: the calls in flight over it, and nothing after them (C3)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import requests

from testbed.facility.runtime import ServiceSpec
from testbed.plan.settings import Settings
from testbed.plan.topology import BALANCERS, FacilityPlan
from testbed.runtime.containers.backend import ContainersBackend
from testbed.runtime.containers.balancers import statistics
from testbed.runtime.containers.services import STATISTICS_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.facility.facility import Facility
    from testbed.runtime.containers.runtime import Containers

LOSSES = 5
AT_ONCE = 8
QUICK_S = 1.0  # who connects to an address that nobody has waits a second until TCP asks again, and up to 14 s for nothing
MANY = 40  # answered calls that are waited for with a balancer gone, or back
WITHIN_S = 20.0
PASSENGER = {"passenger": "P-1", "date": "2013-10-08", "carrier": "US", "flight": 1843, "origin": "EWR", "destination": "CLT"}

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.fact("C3")]


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction: when it began, how long it took, its status, and the text of the answer."""

    began_s: float
    took_s: float
    status: int
    text: str


@contextmanager
def passengers(url: str) -> Iterator[list[Call]]:
    """Send requests for a flight's status, eight at once, until the end of the block; yield the list of calls answered so far."""
    calls: list[Call] = []
    enough = threading.Event()

    def ask() -> None:
        with requests.Session() as session:
            session.trust_env = False
            while not enough.is_set():
                began_s = time.monotonic()
                answer = session.post(url, json=PASSENGER, timeout=60)
                calls.append(Call(began_s, time.monotonic() - began_s, answer.status_code, answer.text))

    threads = [threading.Thread(target=ask) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    try:
        yield calls
    finally:
        enough.set()
        for thread in threads:
            thread.join()


async def wait_more(calls: list[Call], since_s: float) -> None:
    """Wait until `MANY` calls that began after `since_s` have been answered."""
    deadline = time.monotonic() + WITHIN_S
    while (answered := sum(call.began_s > since_s for call in list(calls))) < MANY:
        assert time.monotonic() < deadline, f"{answered} of {MANY} calls were answered within {WITHIN_S:.0f} s"
        await asyncio.sleep(0.02)


async def wait_used(runtime: Containers, facility: Facility, balancer: str) -> int:
    """Wait until calls go over a balancer; return the number of their connections."""
    deadline = time.monotonic() + WITHIN_S
    address = runtime.published(balancer, STATISTICS_PORT)
    while not (used := sum(row.sessions_total for row in await asyncio.to_thread(statistics, address, facility.application_servers))):
        assert time.monotonic() < deadline, f"no call went over {balancer} within {WITHIN_S:.0f} s"
        await asyncio.sleep(0.02)
    return used


async def test_losing_a_balancer_costs_at_most_the_calls_in_flight() -> None:
    """Killed under load, five times: what was in flight may fail, every later call is answered at once, and what comes back is used."""
    async with ContainersBackend() as backend:
        builder = backend.builder(FacilityPlan(callers=("ivr",)), Settings())
        try:
            facility = await builder.build()
            assert builder.project is not None
            runtime = builder.project.runtime
            with passengers(f"{runtime.address('ivr').url}/transactions/flight_status") as calls:
                await wait_more(calls, time.monotonic())
                for loss in range(LOSSES):
                    balancer = BALANCERS[loss % len(BALANCERS)]
                    before = len(calls)
                    await runtime.kill(balancer)
                    gone_s = time.monotonic()
                    await wait_more(calls, gone_s)
                    await runtime.start(ServiceSpec(balancer, ""))
                    assert await wait_used(runtime, facility, balancer) > 0
                    await wait_more(calls, time.monotonic())
                    during = calls[before:]
                    failed = [call for call in during if call.status != requests.codes.ok]
                    assert len(failed) <= AT_ONCE, Counter(call.text for call in failed)
                    assert [call for call in failed if call.began_s > gone_s or f"http://{balancer}:" not in call.text] == []
                    assert max(call.took_s for call in during) < QUICK_S
        finally:
            await builder.tear_down()
