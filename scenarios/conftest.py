"""The regression suite: one replay for each runtime, scenario and variant, shared by all that is asserted of it.

`replayed("the_night", "original")` replays on the first call and gives the same result afterwards. Every test that asks for
it is run once for each runtime. Of the scenarios that processes can replay too, containers replay the night of the case in
full, and some others over their first variant; `--every-variant` replays all. Where no container engine answers, the containers' half is
skipped, with the reason in one line; with TESTBED_REQUIRE=containers in the environment that is a failure. Journals are kept
below .testbed/runs, as those of the command line are.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from testbed import places, scenario_file, session, trace
from testbed.errors import EngineError
from testbed.facility import together
from testbed.replay import Silent
from testbed.topology import FacilityPlan

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.scenario import Scenario
    from testbed.session import Result

CONTAINERS = "containers"
IN_FULL = ("the_night",)
# Nights that are long, and faults that are done by other means there.
ONE_VARIANT = ("calm", "driver_cursor", "restore", "backlog_full", "disk_full", "unreachable")
SMOKE = ("the_night", "refuse", "silence", "disconnect_idle")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the rounds of test_one_array.py be as many as wanted, and be drawn again; and every variant be replayed in containers."""
    parser.addoption("--array-rounds", type=int, default=7, help="how often two servers are tried on one volume (default: 7)")
    parser.addoption("--every-variant", action="store_true", help="replay in containers also the variants that processes can replay")
    parser.addoption("--array-seed", type=int, default=None, help="what its rounds are drawn from (default: another each time)")


@pytest.fixture
def array_rounds(request: pytest.FixtureRequest) -> int:
    """Give how many rounds are wanted."""
    return int(request.config.getoption("--array-rounds"))


@pytest.fixture
def array_seed(request: pytest.FixtureRequest) -> int:
    """Give the seed that is wanted, or else a new one."""
    seed = request.config.getoption("--array-seed")
    return secrets.randbelow(1_000_000) if seed is None else int(seed)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for a runtime on each that there is."""
    if "runtime" in metafunc.fixturenames:
        metafunc.parametrize("runtime", places.RUNTIMES, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the smoke tier: a few scenarios, on processes, that say within a minute whether anything works at all."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        if parameters and parameters.params.get("runtime") == "processes" and parameters.params.get("scenario") in SMOKE:
            item.add_marker("smoke")


@pytest.fixture(scope="session")
def engine() -> None:
    """Ask for a container engine, and for the image of this code, which is built where it is missing."""
    from testbed.runtime import engine, image  # noqa: PLC0415 - for this half only

    try:
        engine.find()
        engine.compose_version()
    except EngineError as error:
        told = f"CONTAINERS ARE LEFT OUT: {error}"
        if CONTAINERS in os.environ.get("TESTBED_REQUIRE", ""):
            pytest.fail(f"TESTBED_REQUIRE={CONTAINERS}, but {told}", pytrace=False)
        pytest.skip(told.splitlines()[0])
    image.build(lambda _: None)


def _at_once(plan: FacilityPlan, runtime: str) -> int:
    """Tell how many facilities may be at work at once: together they have no more request threads than the case's one has.

    One that is weighed is at work alone: what is measured of it is of it, and not of how busy its neighbours keep the machine.
    """
    if runtime == CONTAINERS or plan.weighed_every_s is not None:
        return 1
    of_the_case = _request_threads(FacilityPlan())
    return min(max(1, of_the_case // _request_threads(plan)), (os.cpu_count() or 1) + 1)


def _request_threads(plan: FacilityPlan) -> int:
    return plan.request_threads * (len(plan.server_names) + len(plan.callers))


def chosen(plan: Scenario, runtime: str, config: pytest.Config) -> tuple[str, ...]:
    """Give the names of the variants that are replayed on a runtime."""
    names = tuple(variant.name for variant in plan.variants)
    only_there = bool(places.of("processes").place.lacks(plan))
    if runtime != CONTAINERS or only_there or plan.name in IN_FULL or config.getoption("--every-variant"):
        return names
    return names[:1] if plan.name in ONE_VARIANT else ()


async def _replay(name: str, runtime: str, config: pytest.Config) -> dict[str, Result]:
    where = places.of(runtime)
    plan = scenario_file.load(scenario_file.directory() / f"{name}.toml").slowed(where.slower)
    directory = session.runs_directory(None, plan.name)
    sent = trace.of(plan)
    names = chosen(plan, runtime, config)
    lanes = min(_at_once(plan.facility, runtime), len(names))
    results = {}

    async def lane(number: int) -> None:
        mine = plan.only(names[number::lanes])
        async for result in session.replay_all(mine, sent, 1, shop, directory, lambda _: nullcontext(Silent()), where.place):
            results[result.journal.header.variant] = result

    async with where.shop as shop:
        await together(lane(number) for number in range(lanes))
    return results


@pytest.fixture(scope="session")
def replayed(runtime: str, request: pytest.FixtureRequest) -> Callable[[str, str], Result]:
    """Give the result of a scenario's variant on a runtime, replayed once for all tests that ask for it."""
    if runtime == CONTAINERS:
        request.getfixturevalue("engine")
    done: dict[str, dict[str, Result]] = {}

    def result(name: str, variant: str) -> Result:
        if name not in done:
            done[name] = asyncio.run(_replay(name, runtime, request.config))
        return done[name][variant]

    return result
