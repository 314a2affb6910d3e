from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from testbed.errors import ArrayError
from testbed.runtime import database, postgres
from testbed.runtime.array import Array

if TYPE_CHECKING:
    from pathlib import Path

HOSTS = tuple(f"db-{number}" for number in range(1, 9))


@pytest.fixture
def array(tmp_path: Path) -> Array:
    """Give an array without data, mounted nowhere."""
    made = Array(tmp_path)
    made.data.mkdir()
    return made


def test_of_all_hosts_that_mount_at_once_one_has_it(array: Array) -> None:
    """However many hosts mount the array at the same time, one succeeds and the others are told who has it."""

    def mount(host: str) -> str | None:
        try:
            array.mount(host)
        except ArrayError as error:
            return str(error)
        return None

    for _ in range(50):
        with ThreadPoolExecutor(len(HOSTS)) as pool:
            told = dict(zip(HOSTS, pool.map(mount, HOSTS), strict=True))
        (winner,) = (host for host, error in told.items() if error is None)
        assert array.mounted_on() == winner
        assert all(winner in error for error in told.values() if error)
        array.unmount(winner)


def test_an_array_in_use_stays_where_it_is(array: Array) -> None:
    """As long as somebody holds the lock, the array cannot be unmounted, nor used a second time."""
    array.mount("db-1")
    lock_fd = array.acquire("db-1")
    for do in (array.unmount, array.acquire):
        with pytest.raises(ArrayError, match="in use"):
            do("db-1")
    assert array.mounted_on() == "db-1"
    os.close(lock_fd)
    array.unmount("db-1")
    assert array.mounted_on() is None


def test_a_host_without_the_array_cannot_use_it(array: Array) -> None:
    """A host that has not mounted the array is told who has."""
    array.mount("db-1")
    with pytest.raises(ArrayError, match="mounted on db-1"):
        array.acquire("db-2")
    with pytest.raises(ArrayError, match="mounted on db-1"):
        array.unmount("db-2")


def test_a_copied_array_is_complete_and_fit_for_postgresql(tmp_path: Path) -> None:
    """What a crash left of an earlier copy is thrown away, and the data directory is its owner's alone."""
    prepared = tmp_path / "prepared"
    (prepared / "base").mkdir(parents=True)
    (prepared / "PG_VERSION").write_text("18\n")
    left = tmp_path / "volume" / "array.new"
    left.mkdir(parents=True)
    (left / "half").touch()
    array = database.copy(postgres.Programs(tmp_path, None), prepared, tmp_path / "volume")
    assert sorted(path.name for path in array.data.iterdir()) == ["PG_VERSION", "base"]
    assert array.data.stat().st_mode & 0o777 == 0o700
    assert not left.exists()
