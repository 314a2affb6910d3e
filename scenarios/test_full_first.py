"""Which layer is used up first when the database is slow (S9): each order on real parts, in a facility that is laid out for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from scenarios.conftest import PLANS
from testbed.experiments.batch import replay_once
from testbed.plan import passengers
from testbed.runtime.processes.backend import ProcessesBackend
from testbed.verdict import figures
from testbed.verdict.checks import full_first
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.plan.scenario import Scenario
    from testbed.verdict.result import Result

LAYERS = ("pools", "application_servers", "callers", "nobody")
# As facilities differ from that of the scenario `slow_database`, which has ten request threads at each service and ten connections.
LAID_OUT: dict[str, dict[str, Any]] = {
    "pools": {"pool_size": 4},  # four connections, below ten request threads
    "callers": {"application_servers": 4, "callers": ("kiosk",)},  # ten threads of the caller, below forty of the servers
}


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Journal]:
    """Replay `slow_database` over `original` in each facility, beside each other; return the journals, by what each was laid out for."""

    async def replay_all() -> list[Result]:
        async with ProcessesBackend() as backend:
            plans = {layer: laid_out(changes) for layer, changes in LAID_OUT.items()}
            return await asyncio.gather(
                *(replay_once(plan, passengers.of(plan), backend, tmp_path_factory.mktemp(layer)) for layer, plan in plans.items())
            )

    return {layer: result.journal for layer, result in zip(LAID_OUT, asyncio.run(replay_all()), strict=True)}


def laid_out(changes: dict[str, Any]) -> Scenario:
    """Return `slow_database` over `original` in another facility, without what goes before and after the three minutes of the fault."""
    plan = PLANS["slow_database"].only(("original",))
    facility = plan.facility.model_copy(update={"resources_every_s": None, **changes})
    workload = plan.workload.model_copy(update={"shares": {caller: plan.workload.shares[caller] for caller in facility.callers}})
    night = plan.night.model_copy(update={"from_": "06:01", "to": "06:05:30"})
    return replace(plan, facility=facility, workload=workload, night=night)


@pytest.mark.fact("S9")
@pytest.mark.parametrize("layer", LAID_OUT)
def test_the_layer_that_is_smallest_is_used_up_first(journals: dict[str, Journal], layer: str) -> None:
    """The order follows from how the facility is laid out, and an expectation of any other order is broken."""
    journal = journals[layer]
    findings = {other: full_first.check(journal, figures.of(journal), other) for other in LAYERS}
    assert findings[layer].verdict is Verdict.HELD, findings[layer].text
    assert {findings[other].verdict for other in LAYERS if other != layer} == {Verdict.BROKEN}


@pytest.mark.fact("S9", "A1")
def test_trouble_goes_on_to_each_layer_above(journals: dict[str, Journal]) -> None:
    """A pool that is used up fills its server, and that fills callers: three layers, one after the other."""
    seen = figures.of(journals["pools"])
    full = list(seen.full_since_night_s)
    assert list(seen.pool_used_up_since_night_s) == ["cf-1"]
    assert full[0] == "cf-1"
    assert seen.pool_used_up_since_night_s["cf-1"] < seen.full_since_night_s["cf-1"]
    assert set(full[1:]) & set(seen.header.facility.callers)


@pytest.mark.fact("S9")
def test_a_layer_that_is_full_first_keeps_what_is_below_it_from_being_full(journals: dict[str, Journal]) -> None:
    """Ten calls at a time can take neither forty request threads nor the ten connections of four servers."""
    seen = figures.of(journals["callers"])
    assert list(seen.full_since_night_s) == ["kiosk"]
    assert seen.pool_used_up_since_night_s == {}
