"""The prepared array that is kept between runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from testbed.plan.topology import HOSTS
from testbed.runtime import run_directory
from testbed.runtime.credentials import SERVICES, Credentials
from testbed.runtime.postgres import kept_array, prepared, sql
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.kept_array import prepared_array
from testbed.runtime.postgres.pair import DatabasePair
from testbed.runtime.postgres.programs import find_programs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from testbed.runtime.run_directory import RunDirectory

MAKE = prepared.prepare_array


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return this user's cache, which is not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "testbed"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the arrays that were made, and not taken from the cache; each is really made."""
    arrays = []

    async def make(*of: object) -> Path:
        arrays.append(await MAKE(*of))  # type: ignore[arg-type]
        return arrays[-1]

    monkeypatch.setattr(prepared, "prepare_array", make)
    return arrays


@asynccontextmanager
async def run() -> AsyncIterator[tuple[RunDirectory, Credentials, Path]]:
    """Yield a run's directory, its passwords, and the array that is prepared in it."""
    directory = run_directory.create_run_directory()
    try:
        credentials = Credentials(directory.path / "credentials")
        credentials.make()
        yield directory, credentials, await prepared_array(directory, find_programs(None, directory.path), credentials)
    finally:
        directory.remove()


async def flights(directory: RunDirectory, credentials: Credentials, data: Path, login: Credentials) -> int:
    """Return how many flights an array has, as the services' role sees them with one of the passwords."""
    pair = DatabasePair(directory, find_programs(None, directory.path), Array(data.parent), directory.path, 10, credentials)
    if pair.array.mounted_on() is None:
        await pair.mount(HOSTS[0])
    try:
        conninfo = sql.conninfo(await pair.start_server(HOSTS[0]), login.login(SERVICES))
        async with await psycopg.AsyncConnection.connect(conninfo) as connection:
            found = await (await connection.execute("SELECT count(*) FROM flights")).fetchone()
            return int(found[0]) if found else 0
    finally:
        await pair.throw_away()


async def test_a_later_run_takes_what_was_kept_and_lets_in_by_its_own_passwords_only(cache: Path, made: list[Path], tmp_path: Path) -> None:
    """It has the same week, and nothing of the run that made it."""
    async with run() as (directory, credentials, data):
        shutil.copytree(credentials.directory, tmp_path / "earlier")
        week = await flights(directory, credentials, data, credentials)
    async with run() as (directory, credentials, data):
        assert await flights(directory, credentials, data, credentials) == week > 0
    async with run() as (directory, credentials, data):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            await flights(directory, credentials, data, Credentials(tmp_path / "earlier"))
    assert len(made) == 1
    assert len(list(cache.iterdir())) == 1


async def test_half_of_a_kept_array_is_never_used(cache: Path, made: list[Path]) -> None:
    """A file of it is cut, or missing, as a machine leaves it that was switched off: it is made and kept anew."""
    async with run():
        pass
    for spoil in (lambda file: os.truncate(file, 0), os.unlink):
        (kept,) = cache.iterdir()
        spoil(kept / kept_array.DATA / "base" / "1" / "PG_VERSION")
        async with run() as (directory, credentials, data):
            assert await flights(directory, credentials, data, credentials) > 0
    assert len(made) == 3
    async with run():
        pass
    assert len(made) == 3


@pytest.mark.parametrize("home", ["a file", ""])
async def test_where_nothing_can_be_kept_each_run_makes_its_own(
    tmp_path: Path, made: list[Path], monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    """The cache's place is taken by a file, or the user has no home."""
    (tmp_path / "a file").touch()
    if home:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / home))
    else:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.delenv("HOME")
        monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    async with run() as (_, _, data):
        assert data == made[0]


async def test_runs_that_begin_at_once_have_an_array_each(cache: Path, made: list[Path]) -> None:
    """Both make it where there is none, one of them is kept, and nothing is left beside it."""
    async with run() as (_, _, one), run() as (_, _, other):
        assert one != other

    async def begin() -> None:
        async with run() as (_, _, data):
            assert (data / "PG_VERSION").exists()

    shutil.rmtree(cache)
    await asyncio.gather(begin(), begin())
    assert len(made) == 3
    assert len(list(cache.iterdir())) == 1


async def test_what_was_not_used_for_long_is_removed(cache: Path, made: list[Path]) -> None:
    """An array of other data, and what a run that was killed left half made; what else is in the cache stays."""
    long_ago = time.time() - kept_array.UNUSED_S - 60
    for name in ("array-0123456789abcdef", "array-new-x", "psycopg-3.0.5", "array-new-y"):
        (cache / name).mkdir(parents=True)
        if name != "array-new-y":
            os.utime(cache / name, (long_ago, long_ago))
    async with run():
        pass
    assert {path.name for path in cache.iterdir()} - {"psycopg-3.0.5", "array-new-y"} == {
        path.name for path in cache.iterdir() if (path / kept_array.DIGEST).exists()
    }
    assert len(made) == 1
