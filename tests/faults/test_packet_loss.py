from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.errors import FacilityError, ScenarioError
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.link import FakeLink
from testbed.fakes.virtual_time import run
from testbed.faults.packet_loss import PacketLoss
from testbed.runtime.processes.packet_filter import ProcessPacketFilter
from tests import nights
from tests.faults.acting import SMALL, acting, steps_of

if TYPE_CHECKING:
    from pathlib import Path


def test_packets_are_lost_until_it_is_healed(tmp_path: Path) -> None:
    """The firewall's own count says so, and nothing is left of it."""
    builder = FakeBuilder(SMALL)

    async def losing() -> str:
        async with acting(tmp_path, builder) as actions:
            told = await actions.inject(PacketLoss(percent=30))
            assert builder.virtual_ip.on == {"loss_downstream": {"percent": 30}}
            healed = await actions.heal(actions.facility.active[0])
            assert await actions.facility.left_over() == []
            return f"{told}; {healed}"

    assert run(losing()).startswith(
        "30 % of the packets to database are dropped: 3 packets were dropped by then, with 0 connections; fault: "
    )
    assert [step[2] for step in steps_of(tmp_path)] == ["end"] * 4


def test_a_loss_of_which_nothing_is_lost_is_a_fault_that_failed(tmp_path: Path) -> None:
    """After ten connections."""
    builder = FakeBuilder(SMALL)
    builder.packet_filter.per_look = 0

    async def losing() -> None:
        async with acting(tmp_path, builder) as actions:
            with pytest.raises(FacilityError, match="expected a packet of 10 connections to be dropped; saw: none"):
                await actions.inject(PacketLoss())

    run(losing())


async def test_processes_have_no_packets_and_say_so(tmp_path: Path) -> None:
    """By hand with the reason and what to do; in a file, by what the scenario needs."""
    with pytest.raises(FacilityError, match=r"which sees bytes and no packets; give --runtime containers"):
        await ProcessPacketFilter().lose("database", FakeLink(), 20)
    with pytest.raises(ScenarioError, match='needs: lacks "firewall", which packet_loss requires; add it'):
        nights.scenario(tmp_path, '[[timeline]]\nat = "23:00"\nfault = "packet_loss"\n')
