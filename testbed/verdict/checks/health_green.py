"""Monitoring, from first to last (O8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Sample
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: bool) -> Finding:  # noqa: FBT001 - the expectation's value
    """Count the health checks that were green."""
    samples = [one for one in journal.of(Sample) if one.service in figures.services]
    green = sum(one.health for one in samples)
    text = f"{green} of {len(samples)} health checks green"
    if not samples:
        return Finding("health_green", Verdict.UNKNOWN, text, ("O8",))
    return Finding("health_green", held_if((green == len(samples)) == expected), text, ("O8", "C6"))
