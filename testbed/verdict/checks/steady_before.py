"""Whether the facility was steady before the first fault or operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Sample
from testbed.verdict.changes import first_change
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Check that until the first fault or operation every service was sampled, every health check green, and no transaction failed.

    Unknown otherwise.
    """
    begin = first_change(journal)
    until_s = float("inf") if begin is None else begin.t_s
    samples = [sample for sample in journal.of(Sample) if sample.t_s < until_s]
    missing = set(figures.services) - {sample.service for sample in samples}
    red = sum(not sample.health for sample in samples)
    # A transaction that was still under way when the fault came may have failed by it.
    responses = [transaction.response for transaction in journal.transactions if transaction.response is not None]
    failed = sum(response.ended == "failed" and response.answered_s < until_s for response in responses)
    if begin is None:
        red = failed = 0  # nothing was done: the other checks judge how the night went
    if red or failed or missing:
        counts = f"{red} red health checks, {failed} failed transactions, services without a sample: {', '.join(sorted(missing)) or 'none'}"
        return Finding("steady_before", Verdict.UNKNOWN, f"not steady before the first fault or operation: {counts}")
    return Finding("steady_before", Verdict.HELD, "the facility was steady before the first fault or operation")
