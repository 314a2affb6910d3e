from __future__ import annotations

import asyncio
import os
import pwd
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from testbed.errors import FacilityError, ServiceError
from testbed.plan.topology import HOSTS
from testbed.runtime import shared_memory
from testbed.runtime.postgres import prepared, server
from testbed.runtime.postgres import programs as programs_module
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.pair import DatabasePair
from testbed.runtime.postgres.programs import Programs, find_programs
from testbed.runtime.run_directory import SPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.runtime.credentials import Credentials
    from testbed.runtime.owner import Owner
    from testbed.runtime.run_directory import RunDirectory

WORKS = "echo 'postgres (PostgreSQL) 15.9 (Debian 15.9-0)'"
AS_ROOT = os.geteuid() == 0


def programs(directory: Path, postgres_does: str, initdb_does: str = "exit 0") -> Path:
    """Write a PostgreSQL of two shell scripts that every user may run."""
    for name, does in (("postgres", postgres_does), ("initdb", initdb_does)):
        (directory / name).write_text(f"#!/bin/sh\n{does}\n")
        (directory / name).chmod(0o755)
    return directory


@pytest.fixture
def place() -> Iterator[Path]:
    """Yield a directory that every user may enter; pytest's own is private, and made so again by each other pytest that starts."""
    with tempfile.TemporaryDirectory(prefix="testbed-programs-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def run(run_directory: RunDirectory) -> Path:
    """Return a directory that the user who runs PostgreSQL may enter."""
    return run_directory.path


def test_the_wheels_programs_are_found_with_their_version(run: Path) -> None:
    """They run for the user who has to run them, wherever the virtual environment is."""
    found = find_programs(None, run)
    assert int(found.version.split(".")[0]) >= 16
    assert (found.owner is not None) == AS_ROOT
    assert os.access(found.path("initdb"), os.X_OK)


def test_programs_that_another_user_may_not_reach_are_linked_into_the_run_directory(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root alone: PostgreSQL then runs as another user, who may not enter root's home."""
    if not AS_ROOT:
        pytest.skip("only root runs PostgreSQL as another user")
    ask = programs_module._programs  # noqa: SLF001 - its answer for the first place is replaced

    def unreachable(directory: Path, owner: Owner | None) -> Programs:
        if not directory.is_relative_to(run):
            raise FacilityError("Permission denied")
        return ask(directory, owner)

    monkeypatch.setattr(programs_module, "_programs", unreachable)
    assert programs_module.find_programs(None, run).directory.is_relative_to(run)


def test_the_directory_of_another_postgresql_becomes_an_absolute_path(place: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is relative to the working directory; what its packager adds to the version is left out."""
    programs(place, WORKS)
    monkeypatch.chdir(place.parent)
    found = programs_module.find_programs(place.name, run)
    assert (found.directory, found.version) == (place, "15.9")


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("echo sorry >&2; exit 4", "exit code 4, sorry"),
        ("echo hello world", "exit code 0, hello world"),
        ("exit 0", "exit code 0, no output"),
        ("exec sleep 60", "no answer to --version within 0 s"),
    ],
)
def test_a_postgresql_that_does_not_run_is_one_clear_error(
    place: Path, run: Path, monkeypatch: pytest.MonkeyPatch, does: str, reason: str
) -> None:
    """It names the directory, what the program wrote, and what to set."""
    monkeypatch.setattr(programs_module, "VERSION_WITHIN_S", 0.2 if "sleep" in does else 10.0)
    with pytest.raises(FacilityError, match=rf"PostgreSQL at {place} does not run.*: {reason}; set TESTBED_POSTGRES"):
        programs_module.find_programs(str(programs(place, does)), run)


def test_a_directory_without_programs_is_refused(tmp_path: Path, run: Path) -> None:
    """It says what is missing, and gives an example."""
    with pytest.raises(FacilityError, match=r"initdb and postgres not found there; give the directory .* such as /usr/lib/postgresql"):
        programs_module.find_programs(str(tmp_path), run)


def test_a_place_that_postgresqls_user_may_not_enter_is_refused(tmp_path: Path) -> None:
    """As root alone; the message names the first directory that is closed."""
    if not AS_ROOT:
        pytest.skip("only root runs PostgreSQL as another user")
    (tmp_path / "closed" / "run").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    closed = next(part for part in (*reversed(tmp_path.parents), tmp_path, tmp_path / "closed") if not part.stat().st_mode & 0o001)
    with pytest.raises(FacilityError, match=f"may not enter {closed}; set TMPDIR to a directory"):
        programs_module.find_programs(None, tmp_path / "closed" / "run")


def test_root_without_a_user_for_postgresql_is_told_to_add_one(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never becomes nobody: others may be that user, too, and would have its data and its memory."""

    def getpwnam(name: str) -> pwd.struct_passwd:
        if "postgres" in name:
            raise KeyError(name)
        return pwd.getpwuid(os.getuid())

    monkeypatch.setattr(programs_module, "pwd", SimpleNamespace(getpwnam=getpwnam))
    monkeypatch.setattr(programs_module.os, "geteuid", lambda: 0)
    with pytest.raises(FacilityError, match=r"no user postgres .*; add one \(useradd --system postgres\), or run the testbed as an ordin"):
        find_programs(None, run)


async def test_a_failing_initdb_gives_its_last_lines(place: Path, run: Path, credentials: Credentials) -> None:
    """And what to do, when there is no space."""
    found = programs_module.find_programs(str(programs(place, WORKS, "echo 'FATAL: No space left on device'; exit 7")), run)
    with pytest.raises(ServiceError, match=r"initdb failed with exit code 7:\nFATAL: No space left on device\nset TMPDIR"):
        await server.initialise(found, Array(place / "new"), credentials, place / "log")


async def test_a_server_that_dies_at_start_gives_its_last_lines(place: Path, run: Path) -> None:
    """And leaves the array free."""
    directory = programs(place, f"[ $1 = --version ] && {{ {WORKS}; exit; }}; echo 'FATAL: no'; exit 3")
    array = Array(place)
    array.data.mkdir()
    array.mount(HOSTS[0])
    with pytest.raises(ServiceError, match="the database server on db-1 ended with exit code 3:\nFATAL: no"):
        await server.start_server(programs_module.find_programs(str(directory), run), array, HOSTS[0], 10, place / "log")
    assert not array.in_use


async def test_a_server_whose_start_is_cancelled_is_ended(place: Path, run: Path) -> None:
    """It is ended before the cancellation is passed on."""
    directory = programs(place, f"[ $1 = --version ] && {{ {WORKS}; exit; }}; exec sleep 60")
    array = Array(place)
    array.data.mkdir()
    array.mount(HOSTS[0])
    starting = asyncio.create_task(
        server.start_server(programs_module.find_programs(str(directory), run), array, HOSTS[0], 10, place / "log")
    )
    async with asyncio.timeout(10):
        while not array.in_use:
            await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not array.in_use


async def test_the_segment_of_a_killed_server_is_removed_when_it_is_thrown_away(
    run_directory: RunDirectory, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It outlives the process, and nothing names it once the directory is removed."""
    removed: list[tuple[bool, str]] = []
    remove = shared_memory.remove_segment_of

    def note(postmaster: Path) -> None:
        removed.append((pair.array.in_use, postmaster.read_text().splitlines()[6]))
        remove(postmaster)

    found = programs_module.find_programs(None, run_directory.path)
    pair = DatabasePair(run_directory, found, Array(run_directory.path / "killed"), run_directory.path, 10, credentials)
    await server.initialise(found, pair.array, credentials, run_directory.path / "killed-initdb.log")
    await pair.mount(HOSTS[0])
    await pair.start_server(HOSTS[0])
    assert pair.server is not None
    os.kill(pair.server.child.process.pid, 9)
    monkeypatch.setattr(shared_memory, "remove_segment_of", note)
    await pair.throw_away()
    assert [in_use for in_use, _ in removed] == [False]
    assert len(removed[0][1].split()) == 2  # key and id


def test_a_copy_that_fails_says_why(tmp_path: Path, run: Path) -> None:
    """One reason, not the list of all files."""
    with pytest.raises(FacilityError, match=rf"the array cannot be made in {tmp_path}/new/array: .*No such file.*; {SPACE}$"):
        prepared.copy_array(programs_module.find_programs(None, run), tmp_path / "none", tmp_path / "new")
