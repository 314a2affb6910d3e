"""How much of a span the machine had no processor free for all: a pure function of the journal."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from testbed.journal.events import Pressure

if TYPE_CHECKING:
    from testbed.journal.reader import Journal

MACHINE_BUSY = "machine_busy"  # the code of what is unknown for want of a processor


def stalled_s(journal: Journal, since_s: float, until_s: float) -> float:
    """Return for how many real seconds of a span something waited for a processor; 0.0 where nobody looked."""
    total_s = 0.0
    for before, after in pairwise(journal.of(Pressure)):
        within_s = min(until_s, after.t_s) - max(since_s, before.t_s)
        if within_s > 0:
            total_s += (after.cpu_stalled_s - before.cpu_stalled_s) * within_s / (after.t_s - before.t_s)
    return total_s
