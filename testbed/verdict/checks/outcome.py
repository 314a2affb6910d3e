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
    """Compare the outcome with those that will do."""
    was = outcome.outcome(journal, figures)
    wanted = " or ".join(expected)
    if was is None:
        waiting = sum(one.ended == "unanswered" for one in journal.transactions)
        text = f"no outcome can be told: {waiting} of {len(journal.transactions)} transactions unanswered; expected {wanted}"
        return Finding("outcome", Verdict.UNKNOWN, text)
    return Finding(
        "outcome",
        held_if(was in expected),
        f"outcome {was}, expected {wanted}",
        ("O10",) if was == Outcome.GROUNDED else (),
    )
