"""Resource usage of a process, read from Linux's /proc (S7)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from testbed.journal.events import KIB, ResourceUsage
from testbed.observe.proc import PROC, number_fields

if TYPE_CHECKING:
    from pathlib import Path


def usage_of(service: str, pid: int, at: tuple[float, float], proc: Path = PROC) -> ResourceUsage | None:
    """Return the memory, open files and threads of a process (proc(5)); None when it is gone, or the system has no /proc.

    Not from `smaps_rollup`, which also has proportional shares: it walks through all of the memory, and takes seventy times as long.
    """
    directory = proc / str(pid)
    try:
        status = number_fields((directory / "status").read_text())
        return ResourceUsage(
            t_s=at[0],
            night_s=at[1],
            service=service,
            pid=pid,
            rss_bytes=status["VmRSS"] * KIB,
            private_bytes=status["RssAnon"] * KIB,
            open_files=len(os.listdir(directory / "fd")),  # noqa: PTH208 - names only, and often
            threads=status["Threads"],
        )
    except (OSError, KeyError):
        return None
