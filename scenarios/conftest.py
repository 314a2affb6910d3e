"""The regression suite: one replay for each scenario and variant, shared by all that is asserted of it.

`replayed("the_night", "original")` replays on the first call and gives the same result afterwards. Journals are kept below
.testbed/runs, as those of the command line are.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file, session, trace
from testbed.replay import Silent
from testbed.runtime.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.session import Result


async def _replay(name: str) -> dict[str, Result]:
    plan = scenario_file.load(scenario_file.directory() / f"{name}.toml")
    directory = session.runs_directory(None, plan.name)
    results = {}
    async with Workshop() as shop:
        async for result in session.replay_all(plan, trace.of(plan), 1, shop, directory, lambda _: nullcontext(Silent())):
            results[result.journal.header.variant] = result
    return results


@pytest.fixture(scope="session")
def replayed() -> Callable[[str, str], Result]:
    """Give the result of a scenario's variant, replayed once for all tests that ask for it."""
    done: dict[str, dict[str, Result]] = {}

    def result(name: str, variant: str) -> Result:
        if name not in done:
            done[name] = asyncio.run(_replay(name))
        return done[name][variant]

    return result
