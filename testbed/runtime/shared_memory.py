"""Removes the small System V shared memory segment of a killed PostgreSQL: the one thing of it that is in no directory.

A server that is ended by SIGKILL leaves it to the next server on the same data directory. Ours is removed with the
directory, so no server would ever remove the segment. `postmaster.pid` names it in its seventh line: key and id (PostgreSQL's
source, miscadmin.h, LOCK_FILE_LINE_SHMEM_KEY).
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

IPC_RMID = 0  # sys/ipc.h, of Linux and of macOS
SEGMENT_LINE = 7


def remove_segment_of(postmaster: Path) -> bool:
    """Remove the segment that a dead server's `postmaster.pid` names; return whether there was one.

    Key and id must both match: after a restart of the machine the id alone may be another program's.
    """
    try:
        lines = postmaster.read_text().splitlines()
    except OSError:
        return False
    words = lines[SEGMENT_LINE - 1].split() if len(lines) >= SEGMENT_LINE else []
    if len(words) != 2 or not all(word.isdecimal() for word in words):  # noqa: PLR2004 - key and id
        return False
    key, segment = int(words[0]), int(words[1])
    libc = ctypes.CDLL(None)
    return bool(libc.shmget(ctypes.c_int(key), 0, 0) == segment and libc.shmctl(segment, IPC_RMID, None) == 0)
