"""The regression suite: one replay for each runtime, scenario and variant, shared by the tests.

`replayed("the_night", "original")` returns the result of that replay, when all that other chosen tests need have ended (replays.py).
Every test with this fixture runs once for each runtime. To save time, a variant that is expected to come out as the scenario's first
variant is skipped; and of the scenarios that processes can replay, containers replay the night of the case in full and some others over
their first variant. `--every-variant` replays all. Where no container engine answers, the tests in containers are skipped, with the
reason in one line; with TESTBED_REQUIRE=containers in the environment they fail. Journals go below .testbed/runs, as those of the
command line do.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import tempfile
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
    from collections.abc import Callable, Iterator

    from scenarios.layers import Answers
    from testbed.plan.scenario import Scenario
    from testbed.verdict.result import Result

HERE = Path(__file__).parent
CONTAINERS = "containers"
# Scenarios that are replayed in containers although processes can replay them: the night of the case in full, and over their first
# variant the long nights, and faults that containers inject by other means. Of those that only containers can replay, one takes minutes.
IN_FULL = ("the_night",)
ONE_VARIANT = ("calm", "driver_cursor", "restore", "backlog_full", "disk_full", "unreachable", "cable_pulled", "narrow_network")
EXAMPLE = "half_a_restart"  # the scenario that README.md has the reader write


def _example() -> Scenario:
    """Return the example of README.md, saved as its reader saves it."""
    block = re.search(r"^```toml\n(.*?)^```", (HERE / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert block is not None
    with tempfile.TemporaryDirectory(prefix="testbed-example-") as made:
        path = Path(made) / f"{EXAMPLE}.toml"
        path.write_text(block[1], encoding="utf-8")
        return scenario_file.load(path)


# Whatever a stranger copies must hold as well: the example is replayed beside the scenarios of this folder.
PLANS = {path.stem: scenario_file.load(path) for path in scenario_file.known()} | {EXAMPLE: _example()}
VARIANTS = scenario_file.kept_variants()
BATCHES = pytest.StashKey[list[SuiteBatch]]()
SMOKE = ("the_night", "refuse", "silence", "disconnect_idle")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suite."""
    parser.addoption("--array-rounds", type=int, default=7, help="rounds of test_one_array.py (default: 7)")
    parser.addoption("--switchovers", type=int, default=3, help="switchovers of test_switchovers.py (default: 3)")
    parser.addoption("--kills", type=int, default=2, help="replays that test_kills.py kills on each runtime (default: 2)")
    parser.addoption("--kill-seed", type=int, default=None, help="seed of the moments of test_kills.py (default: another each time)")
    parser.addoption("--every-variant", action="store_true", help="replay every variant of every scenario on both runtimes")
    parser.addoption("--array-seed", type=int, default=None, help="seed of the rounds of test_one_array.py (default: another each time)")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """Return the number of replays that are killed."""
    return int(request.config.getoption("--kills"))


@pytest.fixture
def kill_seed(request: pytest.FixtureRequest) -> int:
    """Return the seed of the moments, another one for each run unless it is given."""
    return _seed(request.config, "--kill-seed")


@pytest.fixture
def switchovers(request: pytest.FixtureRequest) -> int:
    """Return the number of switchovers."""
    return int(request.config.getoption("--switchovers"))


@pytest.fixture
def array_rounds(request: pytest.FixtureRequest) -> int:
    """Return the number of rounds."""
    return int(request.config.getoption("--array-rounds"))


@pytest.fixture
def array_seed(request: pytest.FixtureRequest) -> int:
    """Return the seed of the rounds; a new one unless the option sets it."""
    return _seed(request.config, "--array-seed")


def _seed(config: pytest.Config, option: str) -> int:
    given = config.getoption(option)
    return secrets.randbelow(1_000_000) if given is None else int(given)


@pytest.fixture
def home() -> Iterator[Path]:
    """Yield a directory that every user may enter, as PostgreSQL's must where this is root; pytest's own is private."""
    with tempfile.TemporaryDirectory(prefix="testbed-home-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test with a `runtime` on each runtime."""
    if "runtime" in metafunc.fixturenames:
        metafunc.parametrize("runtime", RUNTIMES, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the smoke tier: a few scenarios on processes, which show within a minute whether anything works at all.

    Remove the timed tests of this directory from the workers of pytest-xdist: nothing else may run beside them. Those that stay come first:
    so one worker has all of them, which are long, and no two of them fight for the container engine.
    """
    if workers.in_worker(config):
        items[:] = sorted((item for item in items if not _is_timed(item)), key=lambda item: not _is_here(item))
    for item in items:
        parameters = getattr(item, "callspec", None)
        if parameters and parameters.params.get("runtime") == "processes" and parameters.params.get("scenario") in SMOKE:
            item.add_marker("smoke")


@pytest.fixture(scope="session")
def engine() -> None:
    """Require a container engine, and build the image of this code where it is missing; skip or fail without an engine."""
    from testbed.runtime.containers import docker_cli, image  # noqa: PLC0415 - slow imports that no other test needs

    try:
        docker_cli.find()
        docker_cli.compose_version()
    except EngineError as error:
        reason = f"CONTAINERS ARE LEFT OUT: {error}"
        if CONTAINERS in os.environ.get("TESTBED_REQUIRE", ""):
            pytest.fail(f"TESTBED_REQUIRE={CONTAINERS}, but {reason}", pytrace=False)
        pytest.skip(reason.splitlines()[0])
    with (Path(tempfile.gettempdir()) / f"testbed-image-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several workers, one builds
        image.build(lambda _: None)


def left_out(plan: Scenario, variant: str, runtime: str, config: pytest.Config) -> str:
    """Return in a line why a variant is not replayed on a runtime; an empty string if it is."""
    lacks = backends.of(runtime).lacks(plan)
    if lacks or config.getoption("--every-variant"):
        return lacks
    first = plan.variants[0]
    chosen = plan.variant(variant)
    if chosen != first and chosen.expect == first.expect and variant in VARIANTS and chosen.settings == VARIANTS[variant].settings:
        return f"of {plan.name}, {variant} is expected to come out as {first.name} does, and is replayed with --every-variant"
    only_there = bool(backends.of("processes").lacks(plan)) and plan.name not in ONE_VARIANT
    if runtime != CONTAINERS or only_there or plan.name in IN_FULL or (plan.name in ONE_VARIANT and variant == first.name):
        return ""
    return f"of {plan.name}, {variant} is replayed in {runtime} with --every-variant"


@pytest.fixture(scope="session")
def batch(runtime: str, request: pytest.FixtureRequest) -> Iterator[SuiteBatch]:
    """Return the replays of a runtime that the tests share."""
    if runtime == CONTAINERS:
        request.getfixturevalue("engine")
    batch = SuiteBatch(runtime, tuple(_wanted(request.session.items, runtime)))
    request.config.stash[BATCHES].append(batch)
    yield batch
    batch.close()


@pytest.fixture(scope="session")
def replayed(runtime: str, batch: SuiteBatch, request: pytest.FixtureRequest) -> Callable[[str, str], Result]:
    """Return a function that gives the first result of a scenario's variant, replayed once for all tests; it skips what is left out."""

    def result(name: str, variant: str) -> Result:
        _skip_what_is_left_out(PLANS[name], variant, runtime, request.config)
        return batch.result(PLANS[name], variant)

    return result


@pytest.fixture(scope="session")
def replayed_often(runtime: str, batch: SuiteBatch, request: pytest.FixtureRequest) -> Callable[[str, str], list[Result]]:
    """Return a function that gives as many results as a variant's expectation asks for; it skips what is left out."""

    def results(name: str, variant: str) -> list[Result]:
        _skip_what_is_left_out(PLANS[name], variant, runtime, request.config)
        return batch.results(PLANS[name], variant)

    return results


def _skip_what_is_left_out(plan: Scenario, variant: str, runtime: str, config: pytest.Config) -> None:
    if why := left_out(plan, variant, runtime, config):
        pytest.skip(why)


@pytest.fixture(scope="session")
def asked(runtime: str, request: pytest.FixtureRequest, replayed: Callable[[str, str], Result]) -> Callable[[str, str], Answers]:
    """Return a function that gives what each layer answered, from outside, at the end of the replay of a scenario's variant."""

    def answers(name: str, variant: str) -> Answers:
        replayed(name, variant)
        batch = next(batch for batch in request.config.stash[BATCHES] if batch.runtime == runtime)
        return batch.answers[name, variant]

    return answers


def _wanted(items: list[pytest.Item], runtime: str) -> Iterator[tuple[Scenario, str]]:
    """Yield the replays that the chosen tests will need, as far as their parameters say."""
    for item in items:
        call = getattr(item, "callspec", None)
        if call and call.params.get("runtime") == runtime and {"scenario", "variant"} <= call.params.keys():
            plan, variant = PLANS[call.params["scenario"]], call.params["variant"]
            if not left_out(plan, variant, runtime, item.config):
                yield plan, variant


def pytest_configure(config: pytest.Config) -> None:
    """Create the list of each runtime's batch; run the timed tests of this directory in the main process, after all others."""
    config.stash[BATCHES] = []
    workers.run_in_main_process(config, lambda: workers.Part(tuple(workers.chosen_below(HERE, config)), _is_timed))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Finish all replays before a test that is not about one: nothing else may run beside them."""
    if "replayed" not in getattr(item, "fixturenames", ()):
        for batch in item.config.stash[BATCHES]:
            batch.finish()


def _is_here(item: pytest.Item) -> bool:
    return item.path.is_relative_to(HERE)


def _is_timed(item: pytest.Item) -> bool:
    return _is_here(item) and item.get_closest_marker("beside") is None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what had to be replayed again."""
    for batch in config.stash[BATCHES]:
        for what in batch.again:
            terminalreporter.line(f"REPLAYED AGAIN: {what}")
