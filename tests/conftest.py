"""What tests with real parts share: a run directory, and one PostgreSQL with the real week in it."""

from __future__ import annotations

import asyncio
import gc
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from testbed.runtime.postgres import sql
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.pair import HOSTS, DatabasePair
from testbed.runtime.postgres.prepared import prepare_array
from testbed.runtime.postgres.programs import find_programs
from testbed.runtime.run_directory import create_run_directory, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.runtime.run_directory import RunDirectory


# No deadline for an example: how long one takes on the wall's clock is up to what runs beside it.
settings.register_profile("suite", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=1_000)  # pytest --hypothesis-profile thorough
settings.load_profile("suite")


@pytest.fixture(scope="session")
def run_directory() -> Iterator[RunDirectory]:
    """Give a run directory, removed at the end."""
    sweep()
    directory = create_run_directory()
    yield directory
    directory.remove()


@pytest.fixture(scope="session")
def conninfo(run_directory: RunDirectory) -> Iterator[str]:
    """Give the connection string of a PostgreSQL that has the real week."""
    programs = find_programs(None, run_directory.path)

    async def start() -> tuple[DatabasePair, str]:
        prepared = await prepare_array(run_directory, programs)
        pair = DatabasePair(run_directory, programs, Array(prepared.parent), run_directory.path, 100)
        return pair, sql.conninfo(await pair.start_server(HOSTS[0]))

    pair, conninfo = asyncio.run(start())
    yield conninfo
    asyncio.run(pair.throw_away())


def pytest_collection_finish() -> None:
    """Leave what was imported out of every later collection of garbage: it stays, and there is much of it."""
    gc.freeze()


WORKERS_AT_MOST = 8
NARROWED = ("keyword", "markexpr", "lf", "failedfirst", "newfirst", "stepwise", "usepdb", "trace", "setupshow", "setupplan", "collectonly")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run whole directories in workers beside each other, as many as `workers` says; `-n` says otherwise.

    What is narrowed (a file, a test, -k, --lf, …), looked into (--pdb, --trace), or printed from (-s) stays in this process,
    where it ends sooner and where a debugger has the terminal.
    """
    option = config.option
    if "PYTEST_XDIST_WORKER" in os.environ or getattr(option, "numprocesses", 0) is not None or option.dist != "no":
        return  # a worker must never start workers; or there is no pytest-xdist; or the number was chosen by hand
    if option.capture == "no" or any(getattr(option, name, False) for name in NARROWED) or not _only_directories(config):
        return
    option.numprocesses = workers()
    option.dist = "worksteal"


def workers() -> int:
    """Return how many workers a machine carries: two a core, because half of the time of the tests is waiting."""
    return min(WORKERS_AT_MOST, 2 * (os.cpu_count() or 1))


def _only_directories(config: pytest.Config) -> bool:
    return all((config.invocation_params.dir / argument).is_dir() for argument in config.args)
