"""How busy this machine is, in the words of its kernel: pressure stall information, the line `some` of `/proc/pressure/cpu`.

It says for how long at least one runnable thread of the machine had no processor, whoever it belonged to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.journal.events import Pressure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.events import Now

FILE = Path("/proc/pressure/cpu")
EVERY_S = 0.2
SOME_US = re.compile(rb"^some .*\btotal=(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class MachineBusyness:
    """Reads `file`, which a kernel without pressure stall information, or another system, has not."""

    file: Path = FILE
    every_s: float | None = EVERY_S

    async def look(self, now: Now) -> Sequence[Pressure]:
        """Return the time since the machine started, or nothing."""
        try:
            some = SOME_US.search(self.file.read_bytes())
        except OSError:
            return ()
        t_s, night_s = now()
        return (Pressure(t_s=t_s, night_s=night_s, cpu_stalled_s=int(some[1]) / 1e6),) if some else ()
