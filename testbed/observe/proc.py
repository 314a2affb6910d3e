"""Scales: what each process takes of its machine, and how large tables and logs are, looked at again and again (S7).

`Scales` is what the replay knows of them. `Nothing` is the do-nothing twin: a facility that is not weighed.
"""

from __future__ import annotations

import os
from pathlib import Path

from testbed.journal.events import KIB, ResourceUsage

PROC = Path("/proc")


def usage_of(service: str, pid: int, at: tuple[float, float], proc: Path = PROC) -> ResourceUsage | None:
    """Look at a process by what Linux tells of it (proc(5)); None for one that is gone, and where the system has no such files.

    Not by `smaps_rollup`, which also tells what is shared in parts: it walks through all of the memory, and takes seventy times as long.
    """
    directory = proc / str(pid)
    try:
        status = _fields((directory / "status").read_text())
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


def _fields(text: str) -> dict[str, int]:
    """Read lines such as `VmRSS:   1234 kB`; those with no number are left out."""
    parted = (line.partition(":") for line in text.splitlines())
    return {name: int(words[0]) for name, _, rest in parted if (words := rest.split()) and words[0].isdecimal()}
