"""How much more private memory a process had after a fault than before it (W6, S9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import MIB, ResourceUsage
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

FACTS = ("W6", "S9")


def check(journal: Journal, figures: Figures, expected: float) -> Finding:
    """Compare the largest rise of a process's private memory since the first fault with the most MiB expected.

    The text lists the memory of each before the fault, at the peak and at the end. Unknown without a sample of each before and after.
    """
    begin = figures.first_fault
    begin_s = float("inf") if begin is None else begin.t_s
    texts, rises = [], []
    for service in figures.services:
        samples = [sample for sample in journal.of(ResourceUsage) if sample.service == service]
        before = [sample.private_bytes / MIB for sample in samples if sample.t_s < begin_s]
        since = [sample.private_bytes / MIB for sample in samples if sample.t_s >= begin_s]
        if not before or not since:
            return Finding(
                "memory_rise_mib", Verdict.UNKNOWN, f"{service}: no memory sample before the first fault, or none after it", FACTS
            )
        rises.append(max(since) - before[-1])
        texts.append(f"{service} {before[-1]:.0f}, {max(since):.0f}, {since[-1]:.0f}")
    text = f"MiB before, at the peak, at the end: {'; '.join(texts)}; rose by {max(rises):.0f} MiB, expected at most {expected:.0f} MiB"
    return Finding("memory_rise_mib", held_if(max(rises) <= expected), text, FACTS)
