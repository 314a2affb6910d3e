from __future__ import annotations

import ctypes
import os
import random
import sys
from typing import TYPE_CHECKING

import pytest

from testbed.runtime import shared_memory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IPC_CREAT, IPC_EXCL, IPC_RMID = 0o1000, 0o2000, 0  # sys/ipc.h
libc = ctypes.CDLL(None)

pytestmark = pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="System V shared memory is what PostgreSQL uses there")


@pytest.fixture
def segment() -> Iterator[tuple[int, int]]:
    """Yield the key and the id of a shared memory segment of our own."""
    key = (os.getpid() << 8 | random.randrange(256)) & 0x7FFFFFFF
    created = libc.shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0o600)
    assert created >= 0
    yield key, created
    libc.shmctl(created, IPC_RMID, None)


def is_there(key: int) -> bool:
    """Return whether there is a segment with this key."""
    return bool(libc.shmget(key, 0, 0) >= 0)


def postmaster(directory: Path, seventh_line: str) -> Path:
    """Write a `postmaster.pid` as PostgreSQL does."""
    file = directory / "postmaster.pid"
    file.write_text(f"4711\n/data\n1700000000\n5432\n\n127.0.0.1\n{seventh_line}\nready   \n")
    return file


def test_the_segment_of_a_killed_server_is_removed(tmp_path: Path, segment: tuple[int, int]) -> None:
    """Its `postmaster.pid` names the segment."""
    key, number = segment
    shared_memory.remove_segment_of(postmaster(tmp_path, f"{key:9} {number:9}"))
    assert not is_there(key)


@pytest.mark.parametrize("line", ["{other} {id}", "{key} {next}", "", "nonsense", "{key}", "{key} {id} 3", "-1 {id}"])
def test_a_segment_that_may_be_another_programs_is_left_alone(tmp_path: Path, segment: tuple[int, int], line: str) -> None:
    """After a restart of the machine the same id is another's: key and id must both fit."""
    key, number = segment
    shared_memory.remove_segment_of(postmaster(tmp_path, line.format(key=key, other=key + 1, id=number, next=number + 1)))
    shared_memory.remove_segment_of(tmp_path / "none.pid")
    assert is_there(key)
