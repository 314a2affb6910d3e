"""Resource usage of a process, read from Linux's /proc (S7)."""

from __future__ import annotations

import os
from pathlib import Path

from testbed.journal.events import KIB, ResourceUsage

PROC = Path("/proc")
STOPPED, TRACED, ZOMBIE = "T", "t", "Z"
STATE, START = 0, 19  # fields of /proc/PID/stat, counted behind the program's name in brackets


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


def process_state(pid: int, proc: Path = PROC) -> str:
    """Return the state of a process in the kernel's letter, such as `S` or `T`; empty when it is gone, or the system has no /proc."""
    fields = _stat(pid, proc)
    return fields[STATE] if fields else ""


def started_at_s(pid: int, proc: Path = PROC) -> float | None:
    """Return when a process started, in seconds since the epoch; None when it is gone, or the system has no /proc."""
    fields = _stat(pid, proc)
    if not fields:
        return None
    booted_s = _fields((proc / "stat").read_text().replace("btime ", "btime: ")).get("btime", 0)
    return booted_s + int(fields[START]) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int, proc: Path) -> list[str]:
    """Return the fields of /proc/PID/stat behind the program's name, which may have any character; none when it is gone."""
    try:
        return (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _fields(text: str) -> dict[str, int]:
    """Parse lines such as `VmRSS:   1234 kB`; lines without a number are left out."""
    parted = (line.partition(":") for line in text.splitlines())
    return {name: int(words[0]) for name, _, rest in parted if (words := rest.split()) and words[0].isdecimal()}
