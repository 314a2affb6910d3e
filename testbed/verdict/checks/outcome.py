"""What became of the airline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.expectation import Outcome
from testbed.verdict import outcome
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: tuple[str, ...]) -> Finding:
    """Compare the outcome with the expected ones; unknown where the journal does not show one."""
    reached = outcome.outcome(journal, figures)
    wanted = " or ".join(expected)
    if reached is None:
        waiting = sum(transaction.ended == "unanswered" for transaction in journal.transactions)
        text = f"the outcome is unknown: {waiting} of {len(journal.transactions)} transactions unanswered; expected {wanted}"
        return Finding("outcome", Verdict.UNKNOWN, text)
    return Finding(
        "outcome",
        held_if(reached in expected),
        f"outcome {reached}, expected {wanted}",
        ("O10",) if reached == Outcome.GROUNDED else (),
    )
