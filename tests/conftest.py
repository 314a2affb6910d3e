"""What tests with real parts share: a run directory, and one PostgreSQL with the real week in it."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from testbed.runtime.credentials import SERVICES, Credentials
from testbed.runtime.postgres import sql
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.pair import HOSTS, DatabasePair
from testbed.runtime.postgres.prepared import copy_array, prepare_array
from testbed.runtime.postgres.programs import find_programs
from testbed.runtime.run_directory import create_run_directory, sweep
from tests import workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.runtime.postgres.programs import Programs
    from testbed.runtime.run_directory import RunDirectory


HERE = Path(__file__).parent
# No deadline for an example: how long one takes on the wall's clock is up to what runs beside it.
settings.register_profile("suite", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=1_000)  # pytest --hypothesis-profile thorough
settings.load_profile("suite")


@pytest.fixture(scope="session")
def run_directory() -> Iterator[RunDirectory]:
    """Return a run directory, removed at the end."""
    sweep()
    directory = create_run_directory()
    yield directory
    directory.remove()


@pytest.fixture(scope="session")
def shared_directory(run_directory: RunDirectory, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Return the directory that all workers share; without workers, the run directory."""
    return tmp_path_factory.getbasetemp().parent if workers.in_worker(request.config) else run_directory.path


@pytest.fixture(scope="session")
def credentials(shared_directory: Path) -> Credentials:
    """Return the passwords of every database of this run."""
    credentials = Credentials(shared_directory / "credentials")
    with (shared_directory / "credentials.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        credentials.make()
    return credentials


@pytest.fixture(scope="session")
def conninfo(
    run_directory: RunDirectory, shared_directory: Path, credentials: Credentials, request: pytest.FixtureRequest
) -> Iterator[str]:
    """Return the connection string of a PostgreSQL that has the real week; of the workers, one prepares it and the others copy it."""
    programs = find_programs(None, run_directory.path)

    async def start() -> tuple[DatabasePair, str]:
        if workers.in_worker(request.config):
            array = await _shared_array(run_directory, programs, credentials, shared_directory)
        else:
            array = Array((await prepare_array(run_directory, programs, credentials)).parent)
        pair = DatabasePair(run_directory, programs, array, run_directory.path, 100, credentials)
        if array.mounted_on() is None:
            await pair.mount(HOSTS[0])
        return pair, sql.conninfo(await pair.start_server(HOSTS[0]), credentials.login(SERVICES))

    pair, conninfo = asyncio.run(start())
    yield conninfo
    asyncio.run(pair.throw_away())


async def _shared_array(run_directory: RunDirectory, programs: Programs, credentials: Credentials, base: Path) -> Array:
    """Make this worker's array, and the one that all workers copy if there is none yet."""
    shared, growing = base / "array", base / "array.new"
    with (base / "array.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            shutil.copytree(await prepare_array(run_directory, programs, credentials), growing)
            growing.rename(shared)
    return copy_array(programs, shared, run_directory.path / "copied")


def pytest_collection_finish() -> None:
    """Leave what was imported out of every later collection of garbage: it stays, and there is much of it."""
    gc.freeze()


WORKERS_AT_MOST = 8
NARROWED = ("keyword", "markexpr", "lf", "failedfirst", "newfirst", "stepwise", "usepdb", "trace", "setupshow", "setupplan", "collectonly")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run whole directories in workers beside each other, as many as `worker_count` says; `-n` says otherwise.

    What is narrowed (a file, a test, -k, --lf, …), looked into (--pdb, --trace), or printed from (-s) stays in this process,
    where it ends sooner and where a debugger has the terminal.
    """
    option = config.option
    if "PYTEST_XDIST_WORKER" in os.environ or getattr(option, "numprocesses", 0) is not None or option.dist != "no":
        return  # a worker must never start workers; or there is no pytest-xdist; or the number was chosen by hand
    if option.capture == "no" or any(getattr(option, name, False) for name in NARROWED) or not _only_directories(config):
        return
    option.numprocesses = worker_count()
    option.dist = "worksteal"
    # Workers and what they start are a few hundred interpreters. Without bytecode, each would compile the project again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def worker_count() -> int:
    """Return how many workers a machine carries: three for two cores, because a third of the time of the tests is waiting."""
    return max(2, min(WORKERS_AT_MOST, 3 * (os.cpu_count() or 1) // 2))


def _only_directories(config: pytest.Config) -> bool:
    return all((config.invocation_params.dir / argument).is_dir() for argument in config.args)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of minutes unless `-m` asks for them, and keep those that judge real time out of the workers."""
    if "minutes" not in config.option.markexpr:
        config.hook.pytest_deselected(items=[item for item in items if _takes_minutes(item)])
        items[:] = [item for item in items if not _takes_minutes(item)]
    if workers.in_worker(config):
        items[:] = [item for item in items if not _is_alone(item)]


def pytest_configure(config: pytest.Config) -> None:
    """Run the tests that judge real time in the main process."""
    workers.run_in_main_process(config, lambda: workers.Part(tuple(_files_with_alone(config)), _is_alone))


def _takes_minutes(item: pytest.Item) -> bool:
    return item.get_closest_marker("minutes") is not None


def _is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


def _files_with_alone(config: pytest.Config) -> Iterator[str]:
    """Yield the chosen arguments, and the files of chosen directories, that have a test marked so: the others need not be collected."""
    for argument in workers.chosen_below(HERE, config):
        path = (config.invocation_params.dir / argument.partition("::")[0]).resolve()
        if path.is_dir():
            yield from (str(file) for file in sorted(path.rglob("test_*.py")) if "mark.alone" in file.read_text(encoding="utf-8"))
        else:
            yield argument
