"""Whether the replay came to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Check that the journal ends as `complete`; unknown otherwise."""
    end = journal.end
    if end is None:
        return Finding("complete", Verdict.UNKNOWN, "the journal has no end: the replay was killed")
    if end.reason != "complete":
        return Finding("complete", Verdict.UNKNOWN, f"the replay was {end.reason}: {end.detail}")
    return Finding("complete", Verdict.HELD, "the replay came to its end")
