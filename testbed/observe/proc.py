"""Resource usage of a process, read from Linux's /proc (S7)."""

from __future__ import annotations

import os
from pathlib import Path

from testbed.journal.events import KIB, ResourceUsage

PROC = Path("/proc")


def usage_of(service: str, pid: int, at: tuple[float, float], proc: Path = PROC) -> ResourceUsage | None:
    """Return the memory, open files and threads of a process (proc(5)); None when it is gone, or the system has no /proc.

    Not from `smaps_rollup`, which also has proportional shares: it walks through all of the memory, and takes seventy times as long.
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
    """Parse lines such as `VmRSS:   1234 kB`; lines without a number are left out."""
    parted = (line.partition(":") for line in text.splitlines())
    return {name: int(words[0]) for name, _, rest in parted if (words := rest.split()) and words[0].isdecimal()}
