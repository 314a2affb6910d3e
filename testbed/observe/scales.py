"""Scales: what each process takes of its machine, and how large tables and logs are, looked at again and again (S7).

`Scales` is what the replay knows of them. `Nothing` is the do-nothing twin: a facility that is not weighed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from testbed.events import KIB, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testbed.events import Size

    Now = Callable[[], tuple[float, float]]

PROC = Path("/proc")


class Scales(Protocol):
    """How a facility is weighed: every `every_s` real seconds, or never (None). `now` gives the time on both clocks."""

    @property
    def every_s(self) -> float | None:
        """How often."""

    async def look(self, now: Now) -> Sequence[Process | Size]:
        """Look at all of it once; what cannot be looked at is left out, and that is no error."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """The do-nothing twin: nothing is weighed."""

    every_s: float | None = None

    async def look(self, now: Now) -> Sequence[Process | Size]:  # noqa: ARG002 - the protocol's signature
        """See nothing."""
        return ()


def weigh(service: str, pid: int, at: tuple[float, float], proc: Path = PROC) -> Process | None:
    """Look at a process by what Linux tells of it (proc(5)); None for one that is gone, and where the system has no such files.

    Not by `smaps_rollup`, which also tells what is shared in parts: it walks through all of the memory, and takes seventy times as long.
    """
    directory = proc / str(pid)
    try:
        status = _fields((directory / "status").read_text())
        return Process(
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
