"""The fixtures, and what a failing test shows of the faults that it had. Nothing of the testbed is imported until a fixture is used."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from testbed.pair.pair import AsyncPair, Pair
    from testbed.pytest_plugin.leaks.watch import LeakWatch
    from testbed.verdict.result import Result

DATA, CONNECTIONS, RUNS = "testbed_data", "testbed_max_connections", "testbed_runs"
FIXTURES = ("facility", "async_facility")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings of pyproject.toml or pytest.ini."""
    parser.addini(DATA, "what the database of the fixture facility has: empty, or the week of flights", default="empty")
    parser.addini(CONNECTIONS, "how many connections to it the user's role may have", default="100")
    parser.addini(RUNS, "where the fixture replayed keeps journals and reports", default=".testbed/runs")


@pytest.fixture(scope="session")
def facility_pair(pytestconfig: pytest.Config) -> Iterator[Pair]:
    """The database pair of this session; each worker of pytest-xdist has its own. Tests use `facility`."""
    from testbed.errors import TestbedError  # noqa: PLC0415
    from testbed.pair.pair import open_pair  # noqa: PLC0415

    data, connections = pytestconfig.getini(DATA), pytestconfig.getini(CONNECTIONS)
    if data not in ("empty", "flights"):
        pytest.fail(f"{DATA}: found {data!r}; allowed: empty, flights", pytrace=False)
    if not (connections.isascii() and connections.isdecimal() and 0 < int(connections) <= 10_000):  # noqa: PLR2004
        pytest.fail(f"{CONNECTIONS}: found {connections!r}; allowed: 1 to 10000", pytrace=False)
    with ExitStack() as stack:
        try:
            pair = stack.enter_context(open_pair(data, max_connections=int(connections)))
        except TestbedError as error:
            raise pytest.fail.Exception(f"the fixture facility cannot start its database pair: {error}", pytrace=False) from None
        yield pair


@pytest.fixture
def facility(facility_pair: Pair) -> Iterator[Pair]:
    """A database pair behind a virtual IP; the test fails when it leaves a fault behind, or asked for one and never used it."""
    from testbed.errors import TestbedError  # noqa: PLC0415

    facility_pair.forget_steps()
    yield facility_pair
    try:
        facility_pair.require_healed()
    except TestbedError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def async_facility(facility: Pair) -> AsyncPair:
    """The same for asyncio: `await async_facility.switchover()`, `async with async_facility.silence():`."""
    return facility.asyncio


@pytest.fixture
def no_leaks() -> Iterator[Callable[[object], LeakWatch]]:
    """Watch a pool or an engine until the test ends, or in a `with`; the test fails when it leaves a connection out."""
    from testbed.pytest_plugin.leaks.watch import LeakWatch  # noqa: PLC0415

    watches: list[LeakWatch] = []
    with ExitStack() as ends:

        def watch(pool_or_engine: object) -> LeakWatch:
            watches.append(LeakWatch(pool_or_engine))
            ends.callback(watches[-1].end)
            return watches[-1]

        yield watch
    text = "\n".join(filter(None, (made.text() for made in watches)))
    if text:
        pytest.fail(text, pytrace=False)


@pytest.fixture
def replayed(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Result:
    """The result of a night that `outage` asks for; the test fails unless its verdict is `held`."""
    from testbed.errors import TestbedError  # noqa: PLC0415
    from testbed.pytest_plugin import outages  # noqa: PLC0415

    case = getattr(request, "param", None)
    if not isinstance(case, outages.Outage):
        pytest.fail("the fixture replayed needs a night; give the test @outage(…) of testbed.pytest_plugin.outages", pytrace=False)
    try:
        result, report = outages.replay(case, Path(request.config.rootpath, request.config.getini(RUNS)))
    except TestbedError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    for name, value in (("verdict", result.judgement.verdict), ("outcome", result.judgement.outcome), ("report", report)):
        record_property(f"testbed_{name}", str(value))
    if why := outages.failure(result, report):
        pytest.fail(why, pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, of a test that failed, what was done to its facility."""
    report = yield
    if report.failed and "testbed.pair.pair" in sys.modules:
        from testbed.pair.pair import AsyncPair, Pair  # noqa: PLC0415

        used = (getattr(item, "funcargs", {}).get(name) for name in FIXTURES)
        pair = next((pair for pair in used if isinstance(pair, Pair | AsyncPair)), None)
        if pair is not None and (steps := pair.steps()):
            report.sections.append(("what was done to the facility", "\n".join(steps)))
    return report
