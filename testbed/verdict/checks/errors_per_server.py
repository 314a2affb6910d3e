"""What a switchover costs where nothing leaks: an error for each stale connection (O2, S1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: int) -> Finding:
    """Compare the failed operations of each application server with the expected number; unknown where they were not counted to the last.

    Most are lookups. But a lookup on a server without stale connections may be followed by a check-in on a server that still has them.
    """
    failed = figures.failed_operations
    counts = ", ".join(f"{server} {'unknown' if count is None else count}" for server, count in failed.items())
    text = f"failed operations: {counts}; expected {expected} on each"
    if None in failed.values():
        return Finding("errors_per_server", Verdict.UNKNOWN, text, ("O2", "S1"))
    if figures.evidence.stale:
        text = f"{text}; not looked at after the last answer: {', '.join(figures.evidence.stale)}"
        return Finding("errors_per_server", Verdict.UNKNOWN, text, ("O2", "S1"))
    return Finding("errors_per_server", held_if(set(failed.values()) == {expected}), text, ("O2", "S1"))
