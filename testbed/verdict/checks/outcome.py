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
    """Compare the outcome with the expected ones; unknown where the journal shows none, unless all that it can be is expected."""
    reason = outcome.reason(journal, figures)
    wanted = " or ".join(expected)
    if reason.may_be and set(reason.may_be) <= set(expected):
        return Finding("outcome", Verdict.HELD, f"outcome {' or '.join(reason.may_be)}, expected {wanted}: {reason.text}")
    if reason.outcome is None:
        return Finding("outcome", Verdict.UNKNOWN, f"the outcome is unknown: {reason.text}; expected {wanted}", code=reason.code)
    facts = ("O10",) if reason.outcome == Outcome.GROUNDED else ()
    text = f"outcome {reason.outcome}, expected {wanted}: {reason.text}"
    return Finding("outcome", held_if(reason.outcome in expected), text, facts, reason.code)
