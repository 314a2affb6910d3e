"""How much more memory a process held after a fault than before it (W6, S9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import MIB, ResourceUsage
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

FACTS = ("W6", "S9")


def check(journal: Journal, figures: Figures, expected: float) -> Finding:
    """Ask that no process ever held so many MiB more than before the first fault; told is what each had before, at most, and at last.

    Of its private memory. Unknown when nothing was weighed before the fault and after its begin.
    """
    begin = figures.first_fault
    begin_s = float("inf") if begin is None else begin.t_s
    told, rises = [], []
    for service in figures.services:
        looks = [one for one in journal.of(ResourceUsage) if one.service == service]
        before = [one.private_bytes / MIB for one in looks if one.t_s < begin_s]
        since = [one.private_bytes / MIB for one in looks if one.t_s >= begin_s]
        if not before or not since:
            return Finding("memory_rise_mib", Verdict.UNKNOWN, f"{service} was not weighed before the first fault and after it", FACTS)
        rises.append(max(since) - before[-1])
        told.append(f"{service} {before[-1]:.0f}, {max(since):.0f}, {since[-1]:.0f}")
    text = f"MiB before, at most, at last: {'; '.join(told)}; at most {max(rises):.0f} more, expected {expected:.0f} at most"
    return Finding("memory_rise_mib", held_if(max(rises) <= expected), text, FACTS)
