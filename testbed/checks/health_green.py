"""Monitoring, from first to last (O8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.checks import Finding, Verdict, held_if
from testbed.events import Sample

if TYPE_CHECKING:
    from testbed.figures import Figures
    from testbed.journal import Journal


def check(journal: Journal, figures: Figures, expected: bool) -> Finding:  # noqa: FBT001 - the expectation's value
    """Count the health checks that were green."""
    samples = [one for one in journal.of(Sample) if one.service in figures.services]
    green = sum(one.health for one in samples)
    text = f"{green} of {len(samples)} health checks green"
    if not samples:
        return Finding("health_green", Verdict.UNKNOWN, text, ("O8",))
    return Finding("health_green", held_if((green == len(samples)) == expected), text, ("O8", "C6"))
