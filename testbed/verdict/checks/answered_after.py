"""The share of transactions answered after the last thing that was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.verdict.changes import last_change
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: float) -> Finding:
    """Compare the share of what was due after the last fault or operation."""
    last = last_change(journal)
    due = [one for one in journal.transactions if last is None or one.request.due_s > last.t_s]
    if not due:
        return Finding("answered_after", Verdict.UNKNOWN, "no transaction was due after the last fault or operation", ("S6",))
    answered = sum(one.ended == "answered" for one in due)
    text = f"{answered} of {len(due)} transactions answered afterwards ({answered / len(due):.1%}), expected at least {expected:.0%}"
    return Finding("answered_after", held_if(answered / len(due) >= expected), text, ("S6",))
