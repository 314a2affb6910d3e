"""The lock object behind a futex, and the owner of an RLock, read from a process's memory without stopping it.

CPython up to 3.13 allocates a semaphore for each lock, whose address is the futex that threads wait in. A lock object begins with its
reference count, its type, and the address of its semaphore (`lockobject` and `rlockobject` of Modules/_threadmodule.c); in an RLock the
identifier of the owner follows. From 3.14 on threads wait in semaphores of their own, and nothing is found.
"""

from __future__ import annotations

import re
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.observe.proc import PROC
from testbed.observe.thread_waits import read_calls

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from io import FileIO

WORD = struct.Struct("=Q")
CHUNK_BYTES, MOST_BYTES = 4 << 20, 2 << 30
WITHIN_S = 3.0
TYPE_NAME_OFFSET, TYPE_NAME_BYTES = 24, 16  # PyTypeObject.tp_name
LOCK, RLOCK = b"_thread.lock\0", b"_thread.RLock\0"
ONE_FUTEX_A_LOCK = ((3, 8), (3, 13))  # the first and the last version of which the above holds


@dataclass(frozen=True, slots=True)
class LockObject:
    """A lock object: its address, and of an RLock the identifier of the thread that owns it (None of any other; 0: nobody)."""

    address: int
    owner: int | None = None


def python_version(pid: int, proc: Path = PROC) -> tuple[int, int] | None:
    """Return the version of Python that a process runs, from the files that it has mapped; None when these do not tell."""
    with suppress(OSError):
        found = re.search(r"/(?:lib)?python3\.(\d+)", (proc / str(pid) / "maps").read_text())
        return (3, int(found[1])) if found else None
    return None


def find_lock_objects(pid: int, futexes: Collection[int], proc: Path = PROC) -> dict[int, LockObject]:
    """Return the lock object of each futex that is a lock's, as far as its memory can be read within 3 s and 2 GiB."""
    found: dict[int, LockObject] = {}
    if not futexes:
        return found
    until_s = time.monotonic() + WITHIN_S
    with suppress(OSError), (proc / str(pid) / "mem").open("rb", buffering=0) as memory:
        for start, chunk in _chunks(memory, _objects_memory(pid, proc)):
            for futex in set(futexes) - found.keys():
                place = chunk.find(WORD.pack(futex))
                while place >= 0:
                    if place % WORD.size == 0 and (lock := _lock_at(memory, start + place)) is not None:
                        found[futex] = lock
                        break
                    place = chunk.find(WORD.pack(futex), place + 1)
            if len(found) == len(set(futexes)) or time.monotonic() > until_s:
                break
    return found


def _objects_memory(pid: int, proc: Path) -> Iterator[tuple[int, int]]:
    """Yield the memory that objects may lie in, from address to address: what no file backs, but for the stacks of threads."""
    pointers = [call.stack_pointer for call in read_calls(pid, proc).values()]
    for line in (proc / str(pid) / "maps").read_text().splitlines():
        extent, access, _, _, _, *name = line.split(maxsplit=5)
        begin, end = (int(word, 16) for word in extent.split("-"))
        if access.startswith("rw") and not (name and name[0].startswith("/")) and not any(begin <= pointer < end for pointer in pointers):
            yield begin, end


def _chunks(memory: FileIO, extents: Iterable[tuple[int, int]]) -> Iterator[tuple[int, bytes]]:
    """Yield the memory of these extents in parts, each with its address, up to 2 GiB."""
    left_bytes = MOST_BYTES
    for first, end in extents:
        begin = first
        while begin < end and left_bytes > 0:
            memory.seek(begin)
            try:
                chunk = memory.read(min(CHUNK_BYTES, end - begin))
            except OSError:  # a page that cannot be read, as of a device
                break
            if not chunk:
                break
            yield begin, chunk
            begin += len(chunk)
            left_bytes -= len(chunk)


def _lock_at(memory: FileIO, place: int) -> LockObject | None:
    """Return the lock object whose semaphore's address stands at a place; None where that is something else's."""
    with suppress(OSError, struct.error, OverflowError, ValueError):
        (type_address,) = WORD.unpack(_read(memory, place - WORD.size, WORD.size))
        (name_address,) = WORD.unpack(_read(memory, type_address + TYPE_NAME_OFFSET, WORD.size))
        name = _read(memory, name_address, TYPE_NAME_BYTES)
        if name.startswith(LOCK):
            return LockObject(place - 2 * WORD.size)
        if name.startswith(RLOCK):
            return LockObject(place - 2 * WORD.size, WORD.unpack(_read(memory, place + WORD.size, WORD.size))[0])
    return None


def _read(memory: FileIO, address: int, size_bytes: int) -> bytes:
    memory.seek(address)
    return memory.read(size_bytes)
