"""Connections that were never given back to the pool (O3, O4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: int) -> Finding:
    """Compare the leaked connections of each application server with the expected number; unknown where they were not seen at the end."""
    leaked = figures.leaked_connections
    size = journal.header.facility.pool_size
    counts = ", ".join(f"{server} {'unknown' if count is None else count} of {size}" for server, count in leaked.items())
    text = f"connections leaked: {counts}; expected {expected} on each"
    if None in leaked.values():
        return Finding("leaked_connections", Verdict.UNKNOWN, text, ("O3", "O4"))
    if figures.evidence.stale:
        text = f"{text}; not looked at after the last answer: {', '.join(figures.evidence.stale)}"
        return Finding("leaked_connections", Verdict.UNKNOWN, text, ("O3", "O4"))
    return Finding("leaked_connections", held_if(set(leaked.values()) == {expected}), text, ("O3", "O4"))
