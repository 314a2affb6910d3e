"""The scan on real parts: what stops check-in, and what redundancy is worth against it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file
from testbed.experiments.scan import plan
from testbed.experiments.scan.plan import Wanted
from testbed.experiments.scan.replays import ScanBatch
from testbed.runtime import backends

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.experiments.scan.effect import VariantScan


async def scanned(wanted: Wanted, directory: Path) -> tuple[VariantScan, ...]:
    """Return the scan of the morning on processes."""
    backend = backends.of("processes")
    planned = plan.plan(scenario_file.load(scenario_file.find("morning")), wanted, backend)
    async with backend:
        return await ScanBatch(planned, backend, directory).scan(3, lambda _, __: None)


@pytest.mark.fact("A2", "A6")
def test_one_of_two_servers_is_a_single_point_when_it_is_silent_and_none_when_it_refuses(tmp_path: Path) -> None:
    """Callers of the original go on to the next server when one refuses, and hang for ever on one that says nothing."""
    (over,) = asyncio.run(scanned(Wanted(faults=["refuse", "silence"], links=["cf-1", "database"]), tmp_path))
    assert over.is_conclusive, over
    assert {(effect.link, effect.fault): effect.effect for effect in over.effects} == {
        ("database", "refuse"): "stops",
        ("database", "silence"): "stops",
        ("cf-1", "refuse"): "goes on",
        ("cf-1", "silence"): "stops",
    }
    assert over.single_points == {"cf-1": ("silence",), "database": ("refuse", "silence")}
    assert {effect.link: effect.crack for effect in over.effects if effect.fault == "silence"} == {"cf-1": 6, "database": 6}
