"""The scan on real parts: what stops check-in, and what redundancy is worth against it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file
from testbed.experiments.scan import plan
from testbed.experiments.scan.plan import Wanted
from testbed.experiments.scan.replays import Scanner
from testbed.runtime import backends

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.experiments.scan.effect import VariantScan


async def scanned(wanted: Wanted, directory: Path) -> tuple[VariantScan, ...]:
    """Scan the small morning on processes."""
    where = backends.of("processes")
    planned = plan.plan(scenario_file.load(scenario_file.find("morning")), wanted, where.place)
    async with where.shop as shop:
        return await Scanner(planned, where.place, shop, directory).scan(3, lambda _, __: None)


@pytest.mark.fact("A2", "A6")
def test_one_of_two_servers_is_a_single_point_when_it_is_silent_and_none_when_it_refuses(tmp_path: Path) -> None:
    """Callers of the original go on to the next server when one refuses, and hang for ever on one that says nothing."""
    (over,) = asyncio.run(scanned(Wanted(faults=["refuse", "silence"], links=["cf-1", "database"]), tmp_path))
    assert over.is_conclusive, over
    assert {(one.link, one.fault): one.effect for one in over.effects} == {
        ("database", "refuse"): "stops",
        ("database", "silence"): "stops",
        ("cf-1", "refuse"): "goes on",
        ("cf-1", "silence"): "stops",
    }
    assert over.single_points == {"cf-1": ("silence",), "database": ("refuse", "silence")}
    assert {one.link: one.crack for one in over.effects if one.fault == "silence"} == {"cf-1": 6, "database": 6}
