"""Faults that both runtimes have are injected, verified and healed on a small facility of each, with what they take by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from scenarios.facilities import built
from testbed.facility.runtime import RUNTIMES
from testbed.faults.cable_pulled import CablePulled
from testbed.faults.caller_restart import CallerRestart
from testbed.faults.flapping import Flapping
from testbed.faults.packet_loss import PacketLoss
from testbed.faults.refuse_first import RefuseFirst
from testbed.faults.sessions_ended import SessionsEnded
from testbed.faults.slow_accept import SlowAccept
from testbed.journal.writer import JournalWriter
from testbed.plan.clock import NightClock
from testbed.plan.settings import ServerSettings, Settings
from testbed.plan.topology import FacilityPlan
from testbed.replay.actions import Actions
from testbed.replay.recorder import Recorder
from testbed.replay.state import FacilityState
from tests.journals import header

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from testbed.facility.facility import Facility
    from testbed.replay.actions import Fault

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLAN = FacilityPlan(application_servers=1, request_threads=4, pool_size=4, callers=("kiosk",))
FAULTS: dict[str, type[Fault]] = {
    "sessions_ended": SessionsEnded,
    "caller_restart": CallerRestart,
    "cable_pulled": CablePulled,
    "refuse_first": RefuseFirst,
    "flapping": Flapping,
    "slow_accept": SlowAccept,
    "packet_loss": PacketLoss,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=RUNTIMES)
async def facility(request: pytest.FixtureRequest) -> AsyncIterator[Facility]:
    """Yield a small facility of each runtime in turn."""
    if request.param == "containers":
        request.getfixturevalue("engine")
    async with built(request.param, PLAN, Settings(application_server=ServerSettings(lookup="fixed"))) as (_, facility):
        yield facility


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_each_takes_effect_and_nothing_is_left_of_it(facility: Facility, fault: type[Fault], tmp_path: Path) -> None:
    """Its own steps verify it; what can be healed is healed."""
    need = getattr(fault, "needs", None)
    if need is not None and need not in facility.runtime.capabilities:
        pytest.skip(f"this runtime has no {need}")
    with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
        state = FacilityState(facility.application_servers, facility.callers)
        actions = Actions(facility, state, Recorder(writer, NightClock(0.0, 1.0), origin_s=0.0), tmp_path, word="fault", id=1)
        await actions.inject(fault())
        for active in tuple(facility.active):
            await actions.heal(active)
        assert await facility.left_over() == []
