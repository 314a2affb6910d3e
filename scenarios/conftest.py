"""The regression suite: one replay for each runtime, scenario and variant, shared by all that is asserted of it.

`replayed("the_night", "original")` gives the result of that replay; what the chosen tests will ask for goes on meanwhile
(replays.py). Every test that asks for it is run once for each runtime. What is expected to come out just as a scenario's
first variant does is left out; and of the scenarios that processes can replay too, containers replay the night of the case in full, and
some others over their first variant. `--every-variant` replays all. Where no container engine answers, the containers' half is
skipped, with the reason in one line; with TESTBED_REQUIRE=containers in the environment that is a failure. Journals are kept
below .testbed/runs, as those of the command line are.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scenarios.replays import SuiteBatch
from testbed import scenario_file
from testbed.errors import EngineError
from testbed.facility.runtime import RUNTIMES
from testbed.runtime import backends
from tests import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from testbed.plan.scenario import Scenario
    from testbed.verdict.result import Result

HERE = Path(__file__).parent
CONTAINERS = "containers"
# What is replayed in containers though processes can replay it too: the night of the case in full, and over their first variant nights
# that are long, and faults that are done by other means there.
IN_FULL = ("the_night",)
ONE_VARIANT = ("calm", "driver_cursor", "restore", "backlog_full", "disk_full", "unreachable")
PLANS = {path.stem: scenario_file.load(path) for path in scenario_file.known()}
KEPT = scenario_file.kept_variants()
BATCHES = pytest.StashKey[list[SuiteBatch]]()
SMOKE = ("the_night", "refuse", "silence", "disconnect_idle")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the rounds of test_one_array.py be as many as wanted, and be drawn again; and let every variant be replayed."""
    parser.addoption("--array-rounds", type=int, default=7, help="how often two servers are tried on one volume (default: 7)")
    parser.addoption("--every-variant", action="store_true", help="replay every variant of every scenario on both runtimes")
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
        metafunc.parametrize("runtime", RUNTIMES, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the smoke tier: a few scenarios, on processes, that say within a minute whether anything works at all.

    And keep what is in this directory out of the workers of pytest-xdist: replays are timed, and nothing else may run beside them.
    """
    if workers.in_worker(config):
        items[:] = [item for item in items if not item.path.is_relative_to(HERE)]
    for item in items:
        parameters = getattr(item, "callspec", None)
        if parameters and parameters.params.get("runtime") == "processes" and parameters.params.get("scenario") in SMOKE:
            item.add_marker("smoke")


@pytest.fixture(scope="session")
def engine() -> None:
    """Ask for a container engine, and for the image of this code, which is built where it is missing."""
    from testbed.runtime.containers import docker_cli, image  # noqa: PLC0415 - nobody else pays for their imports

    try:
        docker_cli.find()
        docker_cli.compose_version()
    except EngineError as error:
        told = f"CONTAINERS ARE LEFT OUT: {error}"
        if CONTAINERS in os.environ.get("TESTBED_REQUIRE", ""):
            pytest.fail(f"TESTBED_REQUIRE={CONTAINERS}, but {told}", pytrace=False)
        pytest.skip(told.splitlines()[0])
    image.build(lambda _: None)


def left_out(plan: Scenario, variant: str, runtime: str, config: pytest.Config) -> str:
    """Tell in a line why a variant is not replayed on a runtime; an empty text when it is."""
    lacks = backends.of(runtime).lacks(plan)
    if lacks or config.getoption("--every-variant"):
        return lacks
    first = plan.variants[0]
    asked = next(one for one in plan.variants if one.name == variant)
    if asked != first and asked.expect == first.expect and variant in KEPT and asked.settings == KEPT[variant].settings:
        return f"of {plan.name}, {variant} is expected to come out as {first.name} does, and is replayed with --every-variant"
    only_there = bool(backends.of("processes").lacks(plan))
    if runtime != CONTAINERS or only_there or plan.name in IN_FULL or (plan.name in ONE_VARIANT and variant == first.name):
        return ""
    return f"of {plan.name}, {variant} is replayed in {runtime} with --every-variant"


@pytest.fixture(scope="session")
def replayed(runtime: str, request: pytest.FixtureRequest) -> Iterator[Callable[[str, str], Result]]:
    """Give the result of a scenario's variant on a runtime, replayed once for all tests that ask for it; skip a test of one left out."""
    if runtime == CONTAINERS:
        request.getfixturevalue("engine")
    batch = SuiteBatch(runtime, tuple(_wanted(request.session.items, runtime)))
    request.config.stash[BATCHES].append(batch)

    def result(name: str, variant: str) -> Result:
        plan = PLANS[name]
        if why := left_out(plan, variant, runtime, request.config):
            pytest.skip(why)
        return batch.result(plan, variant)

    yield result
    batch.close()


def _wanted(items: list[pytest.Item], runtime: str) -> Iterator[tuple[Scenario, str]]:
    """Give what the chosen tests will ask for, as far as it can be told from their parameters."""
    for item in items:
        given = getattr(item, "callspec", None)
        if given and given.params.get("runtime") == runtime and {"scenario", "variant"} <= given.params.keys():
            plan, variant = PLANS[given.params["scenario"]], given.params["variant"]
            if not left_out(plan, variant, runtime, item.config):
                yield plan, variant


def pytest_configure(config: pytest.Config) -> None:
    """Make the place where the replays of each runtime are kept."""
    config.stash[BATCHES] = []


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let nothing that is no replay run beside one."""
    if "replayed" not in getattr(item, "fixturenames", ()):
        for batch in item.config.stash[BATCHES]:
            batch.finish()


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Run the replays in this process, when the workers, if there are any, have run all other tests and ended."""
    result = yield
    if workers.has_workers(session.config):
        workers.run_here(session, workers.chosen_below(HERE, session.config))
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell what had to be replayed twice."""
    for batch in config.stash[BATCHES]:
        for what in batch.again:
            terminalreporter.line(f"REPLAYED AGAIN: {what}, in {batch.runtime}: its load generator was late, and nothing was shown")
