from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed.errors import ArrayError
from testbed.plan.topology import HOSTS
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.prepared import copy_array
from testbed.runtime.postgres.programs import Programs, find_programs
from testbed.runtime.postgres.server import initialise, start_server

if TYPE_CHECKING:
    from testbed.runtime.credentials import Credentials
    from testbed.runtime.postgres.server import Server
    from testbed.runtime.run_directory import RunDirectory

FIRST, SECOND = HOSTS
MANY = tuple(f"db-{number}" for number in range(1, 9))


@pytest.fixture
def array(tmp_path: Path) -> Array:
    """Return an array without data."""
    array = Array(tmp_path)
    array.data.mkdir()
    return array


def test_an_array_is_mounted_on_one_host_at_a_time(array: Array) -> None:
    """The second host is refused by name until the first has unmounted it."""
    array.mount(FIRST)
    with pytest.raises(ArrayError, match="cannot be mounted on db-2: it is mounted on db-1"):
        array.mount(SECOND)
    with pytest.raises(ArrayError, match="cannot be unmounted on db-2: it is mounted on db-1"):
        array.unmount(SECOND)
    array.unmount(FIRST)
    array.mount(SECOND)
    assert array.mounted_on() == SECOND


def test_an_array_in_use_is_not_unmounted(array: Array) -> None:
    """As with a real mount: it is busy."""
    array.mount(FIRST)
    lock = array.acquire(FIRST)
    with pytest.raises(ArrayError, match="a database server holds"):
        array.unmount(FIRST)
    os.close(lock)
    array.unmount(FIRST)


def test_a_host_without_the_array_gets_no_lock(array: Array) -> None:
    """Neither before it is mounted nor while another host has it."""
    with pytest.raises(ArrayError, match="mounted on no host"):
        array.acquire(FIRST)
    array.mount(FIRST)
    with pytest.raises(ArrayError, match="no server can use the array on db-2: it is mounted on db-1"):
        array.acquire(SECOND)


def test_of_all_hosts_that_mount_at_once_one_has_it(array: Array) -> None:
    """However many hosts mount the array at the same time, one succeeds and the others are refused with its name."""

    def mount(host: str) -> str | None:
        try:
            array.mount(host)
        except ArrayError as error:
            return str(error)
        return None

    for _ in range(50):
        with ThreadPoolExecutor(len(MANY)) as pool:
            refusals = dict(zip(MANY, pool.map(mount, MANY), strict=True))
        (winner,) = (host for host, error in refusals.items() if error is None)
        assert array.mounted_on() == winner
        assert all(winner in error for error in refusals.values() if error)
        array.unmount(winner)


def test_an_array_is_nobody_else_s_while_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for a moment can another user read one of its files, whatever the umask: they have the hashes of the passwords."""
    (tmp_path / "prepared" / "global").mkdir(parents=True)
    for name in ("PG_VERSION", "global/1260"):
        (tmp_path / "prepared" / name).touch(mode=0o600)
    (tmp_path / "volume").mkdir()
    readable: list[str] = []
    copied: list[str] = []
    copystat = shutil.copystat

    def look(source: str, target: str, **more: bool) -> None:
        """See what others can reach, when a file is whole and has not its mode yet."""
        copied.append(target)
        below = Path(target).relative_to(tmp_path / "volume")
        directories = [tmp_path / "volume" / parent for parent in below.parents][:-1]
        if all(directory.stat().st_mode & 0o001 for directory in directories):
            readable.append(target)
        copystat(source, target, **more)

    monkeypatch.setattr(shutil, "copystat", look)
    before = os.umask(0)
    try:
        array = copy_array(Programs(tmp_path, "18.6", None), tmp_path / "prepared", tmp_path / "volume")
    finally:
        os.umask(before)
    assert len(copied) == 4
    assert readable == []
    assert array.data.stat().st_mode & 0o777 == 0o700


def test_a_copied_array_is_complete_and_fit_for_postgresql(tmp_path: Path) -> None:
    """What a crash left of an earlier copy is removed, and the data directory is its owner's alone."""
    prepared = tmp_path / "prepared"
    (prepared / "base").mkdir(parents=True)
    (prepared / "PG_VERSION").write_text("18\n")
    left = tmp_path / "volume" / "array.new"
    left.mkdir(parents=True)
    (left / "half").touch()
    array = copy_array(Programs(tmp_path, "18.6", None), prepared, tmp_path / "volume")
    assert sorted(path.name for path in array.data.iterdir()) == ["PG_VERSION", "base"]
    assert array.data.stat().st_mode & 0o777 == 0o700
    assert not left.exists()


@pytest.fixture(scope="module")
def real(run_directory: RunDirectory, credentials: Credentials) -> tuple[Programs, Array, Path]:
    """Return PostgreSQL's programs, a real and empty data directory, and the file for its lines."""
    root = run_directory.path / "array-of-its-own"
    array, programs = Array(root), find_programs(None, run_directory.path)
    asyncio.run(initialise(programs, array, credentials, run_directory.path / "initdb.log"))
    return programs, array, run_directory.path / "of-its-own.log"


async def begin(real: tuple[Programs, Array, Path], host: str) -> Server:
    """Start the server of a host on the real array."""
    programs, array, log = real
    return await start_server(programs, array, host, 10, log)


def is_locked(array: Array) -> bool:
    """Return whether a process has the lock, without `Array`'s own code."""
    with array.lock_file.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


async def wait_free(array: Array, within_s: float = 20.0) -> None:
    """Wait until no process has the lock."""
    async with asyncio.timeout(within_s):
        while is_locked(array):
            await asyncio.sleep(0.01)


@pytest.mark.fact("C2")
async def test_a_second_server_cannot_start_on_the_array_of_a_running_one(real: tuple[Programs, Array, Path]) -> None:
    """Not even where the mount is forged: the lock is the kernel's."""
    array = real[1]
    array.mount(FIRST)
    first = await begin(real, FIRST)
    array.mount_of(FIRST).unlink()
    array.mount(SECOND)  # by force, past the rule that it is mounted once
    with pytest.raises(ArrayError, match="a database server holds"):
        await begin(real, SECOND)
    await first.stop()
    second = await begin(real, SECOND)
    await second.stop()
    array.unmount(SECOND)


@pytest.mark.fact("C2")
async def test_a_backend_that_outlives_a_killed_postmaster_keeps_the_array(real: tuple[Programs, Array, Path]) -> None:
    """After a crash the lock is held until the last process of the server is gone, and not a moment longer."""
    programs, array, log = real
    array.mount(FIRST)
    server = await begin(real, FIRST)
    pid = server.child.process.pid
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    os.kill(children[0], signal.SIGSTOP)  # it cannot notice its postmaster's death
    os.kill(pid, signal.SIGKILL)
    await server.child.wait_exit(5)
    try:
        with pytest.raises(ArrayError, match="a database server holds"):
            await start_server(programs, array, FIRST, 10, log)
    finally:
        os.kill(children[0], signal.SIGCONT)
        os.kill(children[0], signal.SIGKILL)
    await wait_free(array)
    again = await begin(real, FIRST)  # and recovers by itself
    await again.stop()
    array.unmount(FIRST)
