"""A process as Linux's /proc shows it (proc(5)): its state, when it started, and the fields of its files.

Imports nothing of the testbed: programs that look into containers start with it, and have to be quick.
"""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")
STOPPED, TRACED, ZOMBIE = "T", "t", "Z"
STATE, START = 0, 19  # fields of /proc/PID/stat, counted behind the program's name in brackets


def process_state(pid: int, proc: Path = PROC) -> str:
    """Return the state of a process in the kernel's letter, such as `S` or `T`; empty when it is gone, or the system has no /proc."""
    fields = _stat(pid, proc)
    return fields[STATE] if fields else ""


def started_at_s(pid: int, proc: Path = PROC) -> float | None:
    """Return when a process started, in seconds since the epoch; None when it is gone, or the system has no /proc."""
    fields = _stat(pid, proc)
    if not fields:
        return None
    booted_s = number_fields((proc / "stat").read_text().replace("btime ", "btime: ")).get("btime", 0)
    return booted_s + int(fields[START]) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int, proc: Path) -> list[str]:
    """Return the fields of /proc/PID/stat behind the program's name, which may have any character; none when it is gone."""
    try:
        return (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def number_fields(text: str) -> dict[str, int]:
    """Return the numbers of lines such as `VmRSS:   1234 kB`; lines without a number are left out."""
    parted = (line.partition(":") for line in text.splitlines())
    return {name: int(words[0]) for name, _, rest in parted if (words := rest.split()) and words[0].isdecimal()}
