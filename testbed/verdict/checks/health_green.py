"""Whether every health check was green (O8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: bool) -> Finding:  # noqa: FBT001 - the expectation's value
    """Compare the health checks from first to last that were green with all; unknown without one."""
    green = sum(checks.green for checks in figures.health.values())
    count = sum(checks.count for checks in figures.health.values())
    text = f"{green} of {count} health checks green, expected {'all' if expected else 'fewer'}"
    if not count:
        return Finding("health_green", Verdict.UNKNOWN, text, ("O8",))
    return Finding("health_green", held_if((green == count) == expected), text, ("O8", "C6"))
