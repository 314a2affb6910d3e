"""The one thing of a killed PostgreSQL that no directory holds: its small System V shared memory segment.

A server that is ended by SIGKILL leaves it to the next server on the same data directory. Ours is removed with the
directory, so nobody would ever come for it. `postmaster.pid` names it in its seventh line: key and id (PostgreSQL's
source, miscadmin.h, LOCK_FILE_LINE_SHMEM_KEY).
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

IPC_RMID = 0  # linux/ipc.h
SEGMENT_LINE = 7


def remove_segment_of(postmaster: Path) -> None:
    """Remove the segment that a dead server's `postmaster.pid` names; nothing happens when there is none."""
    if sys.platform != "linux":
        return
    try:
        lines = postmaster.read_text().splitlines()
    except OSError:
        return
    words = lines[SEGMENT_LINE - 1].split() if len(lines) >= SEGMENT_LINE else []
    if len(words) == 2 and words[1].isdecimal():  # noqa: PLR2004 - key and id
        ctypes.CDLL(None).shmctl(int(words[1]), IPC_RMID, None)
