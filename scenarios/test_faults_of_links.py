"""Every fault that the fault proxy does is injected, verified and healed on the link to a real database, with what it takes by default."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from scenarios.facilities import built
from testbed.faults.cable_pulled import CablePulled
from testbed.faults.disconnect import Disconnect
from testbed.faults.flapping import Flapping
from testbed.faults.latency import Latency
from testbed.faults.refuse_first import RefuseFirst
from testbed.faults.reset import Reset
from testbed.faults.silence import Silence
from testbed.faults.slow_accept import SlowAccept
from testbed.faults.trickle import Trickle
from testbed.journal.writer import JournalWriter
from testbed.plan.clock import NightClock
from testbed.plan.settings import ServerSettings, Settings
from testbed.plan.topology import FacilityPlan
from testbed.replay.actions import Actions
from testbed.replay.recorder import Recorder
from testbed.replay.state import FacilityState
from tests.journals import header

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from testbed.facility.facility import Facility
    from testbed.replay.actions import Healable

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLAN = FacilityPlan(application_servers=1, request_threads=4, pool_size=4, callers=("kiosk",), links=("cf-1",))
DATABASE, SERVER = "database", "cf-1"
FAULTS = {
    "disconnect": Disconnect,
    "disconnect, connect": partial(Disconnect, "connect"),
    "disconnect, idle": partial(Disconnect, "idle"),
    "reset": Reset,
    "reset, connect": partial(Reset, "connect"),
    "reset, idle": partial(Reset, "idle"),
    "silence": Silence,
    "latency": partial(Latency, 50),
    "trickle": Trickle,
    "cable_pulled": CablePulled,
    "refuse_first": RefuseFirst,
    "flapping": Flapping,
    "slow_accept": SlowAccept,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def facility() -> AsyncIterator[Facility]:
    """Yield a small facility of processes with a proxy before its server."""
    async with built("processes", PLAN, Settings(application_server=ServerSettings(lookup="fixed"))) as (_, facility):
        yield facility


@pytest.mark.parametrize("link", [DATABASE, SERVER])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_each_takes_effect_and_is_gone_when_it_is_healed(
    facility: Facility, fault: Callable[..., Healable], link: str, tmp_path: Path
) -> None:
    """Its own probes say so, and nothing is left on the link."""
    with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
        state = FacilityState(facility.application_servers, facility.callers)
        actions = Actions(facility, state, Recorder(writer, NightClock(0.0, 1.0), origin_s=0.0), tmp_path, word="fault", id=1)
        await actions.inject(fault(link=link))
        (active,) = facility.active
        await actions.heal(active)
        assert await facility.left_over() == []
