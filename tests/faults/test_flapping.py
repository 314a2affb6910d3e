from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from testbed.errors import FacilityError, ProxyError
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.virtual_time import run
from testbed.faults.flapping import Flapping
from tests.faults.acting import SMALL, acting

if TYPE_CHECKING:
    from pathlib import Path

DOWN, UP = ("pull", "database"), ("plug", "database")


@pytest.mark.parametrize(("after_s", "turns"), [(1.9, 0), (2.5, 1), (3.1, 1), (5.1, 2), (300.5, 100)])
def test_a_link_is_down_and_up_in_turns_until_it_is_healed(tmp_path: Path, after_s: float, turns: int) -> None:
    """Each turn lasts as long as it says; healed in the middle of one, the link is up and stays so."""
    builder = FakeBuilder(SMALL)

    async def turning() -> None:
        async with acting(tmp_path, builder) as actions:
            await actions.inject(Flapping(up_s=2.0, down_s=1.0))
            await asyncio.sleep(after_s)
            assert builder.packet_filter.pulls.count(DOWN) == 1 + turns
            await actions.heal(actions.facility.active[0])
            assert builder.packet_filter.pulls[-1] == UP
            seen = len(builder.packet_filter.pulls)
            await asyncio.sleep(100)
            assert (len(builder.packet_filter.pulls), await actions.facility.left_over()) == (seen, [])

    run(turning())


def test_a_link_that_turns_no_more_is_told_when_it_is_healed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With how often it did, and why it ended; the link is up all the same."""
    builder = FakeBuilder(SMALL)

    async def broken(name: str, link: object) -> None:
        raise ProxyError("no answer")

    async def turning() -> None:
        async with acting(tmp_path, builder) as actions:
            await actions.inject(Flapping())
            monkeypatch.setattr(type(builder.packet_filter), "pull", lambda _, name, link: broken(name, link))
            await asyncio.sleep(10)
            with pytest.raises(FacilityError, match="after 1 turns the link to database turned no more: no answer"):
                await actions.heal(actions.facility.active[0])
            assert await actions.facility.left_over() == []

    run(turning())


def test_a_facility_that_is_taken_down_ends_the_turns(tmp_path: Path) -> None:
    """Also where nobody healed the fault."""
    builder = FakeBuilder(SMALL)

    async def turning() -> None:
        async with acting(tmp_path, builder) as actions:
            await actions.inject(Flapping())
            await actions.facility.release()
            seen = len(builder.packet_filter.pulls)
            await asyncio.sleep(100)
            assert len(builder.packet_filter.pulls) == seen

    run(turning())
