"""The share of transactions answered after the last fault or operation (S6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.verdict.changes import last_change
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: float) -> Finding:
    """Compare the answered share of what was due after the last fault or operation with the least expected; unknown if none was due."""
    last = last_change(journal)
    due = [transaction for transaction in journal.transactions if last is None or transaction.request.due_s > last.t_s]
    if not due:
        return Finding("answered_after", Verdict.UNKNOWN, "no transaction was due after the last fault or operation", ("S6",))
    answered = sum(transaction.ended == "answered" for transaction in due)
    share = answered / len(due)
    text = (
        f"{answered} of {len(due)} transactions due after the last fault or operation answered ({share:.1%}), "
        f"expected at least {expected:.0%}"
    )
    return Finding("answered_after", held_if(share >= expected), text, ("S6",))
