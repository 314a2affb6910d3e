"""Whether the facility was well before anything was done to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Sample
from testbed.verdict.changes import first_change
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Ask that until anything was done every service was seen, every health check was green, and no transaction failed."""
    begin = first_change(journal)
    until_s = float("inf") if begin is None else begin.t_s
    red = [one.service for one in journal.of(Sample) if one.t_s < until_s and not one.health]
    # One that was still under way when the fault came is the fault's.
    bad = [
        one.request.id
        for one in journal.transactions
        if one.response is not None and one.response.answered_s < until_s and one.ended == "failed"
    ]
    seen = {one.service for one in journal.of(Sample) if one.t_s < until_s}
    unseen = set(figures.services) - seen
    if begin is None:
        red, bad = [], []  # nothing was done: how the night went is what the other checks are about
    if red or bad or unseen:
        told = f"{len(red)} red health checks, {len(bad)} failed transactions, never seen: {', '.join(sorted(unseen)) or 'none'}"
        return Finding("steady_before", Verdict.UNKNOWN, f"not steady before anything was done: {told}")
    return Finding("steady_before", Verdict.HELD, "the facility was steady before anything was done")
