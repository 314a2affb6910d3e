"""What tests with real parts share: a run directory, and one PostgreSQL with the real week in it."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from testbed.runtime import database, postgres, rundir, tables
from testbed.runtime.array import Array

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.runtime.rundir import RunDirectory


settings.register_profile("thorough", max_examples=1_000)  # pytest --hypothesis-profile thorough


@pytest.fixture(scope="session")
def run_directory() -> Iterator[RunDirectory]:
    """Give a run directory, removed at the end."""
    rundir.sweep()
    directory = rundir.create()
    yield directory
    directory.remove()


@pytest.fixture(scope="session")
def conninfo(run_directory: RunDirectory) -> Iterator[str]:
    """Give the connection string of a PostgreSQL that has the real week."""
    programs = postgres.find(None, run_directory.path)

    async def start() -> tuple[database.DatabasePair, str]:
        prepared = await database.prepare(run_directory, programs)
        pair = database.DatabasePair(run_directory, programs, Array(prepared.parent), run_directory.path, 100)
        return pair, tables.conninfo(await pair.start_server(database.HOSTS[0]))

    pair, conninfo = asyncio.run(start())
    yield conninfo
    asyncio.run(pair.throw_away())


def pytest_collection_finish() -> None:
    """Leave what was imported out of every later collection of garbage: it stays, and there is much of it."""
    gc.freeze()
