"""Whether a service died that nobody ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.checks import Finding, Verdict
from testbed.clock import clock_text

if TYPE_CHECKING:
    from testbed.figures import Figures
    from testbed.journal import Journal


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Ask that no service died by itself: what was seen after that is another story than the scenario's."""
    dead = figures.died
    if dead:
        told = "; ".join(f"{one.service} died at {clock_text(one.night_s)}: {one.detail}" for one in dead)
        return Finding("services", Verdict.UNKNOWN, told)
    return Finding("services", Verdict.HELD, "no service died by itself")
