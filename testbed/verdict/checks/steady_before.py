"""Whether the facility was steady before the first fault or operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Sample
from testbed.journal.header_settings import settings_of
from testbed.verdict.changes import first_change
from testbed.verdict.finding import Finding, Verdict
from testbed.verdict.latency import IN_TIME_S, is_late

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

HEALTH_GREEN = "health_green"  # the expectation


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Check that until the first fault or operation every service was sampled, every health check green, and every answer good and in time.

    Unknown otherwise. Without any, the whole night is before it: failures are then what the expected outcome judges, and red health checks
    are forgiven only where the scenario asks for them itself, or the variant turns them red.
    """
    begin = first_change(journal)
    until_s = float("inf") if begin is None else begin.t_s
    samples = [sample for sample in journal.of(Sample) if sample.t_s < until_s]
    missing = set(figures.services) - {sample.service for sample in samples}
    red = sum(sample.health is False for sample in samples)
    # A transaction that was still under way when the fault came may have failed by it.
    ended = [transaction for transaction in journal.transactions if transaction.response and transaction.response.answered_s < until_s]
    failed, late = sum(transaction.ended == "failed" for transaction in ended), sum(is_late(transaction) for transaction in ended)
    if begin is None:
        failed = late = 0  # nothing was done: the outcome judges how the night went
        red = 0 if _may_be_red(journal) else red
    if red or failed or late or missing:
        counts = (
            f"{red} red health checks, {failed} failed transactions, {late} answered later than {IN_TIME_S:.0f} s after they were due, "
            f"services without a sample: {', '.join(sorted(missing)) or 'none'}"
        )
        return Finding("steady_before", Verdict.UNKNOWN, f"not steady before the first fault or operation: {counts}")
    return Finding("steady_before", Verdict.HELD, "the facility was steady before the first fault or operation")


def _may_be_red(journal: Journal) -> bool:
    """Whether `health_green` is expected or not expected, or a setting makes servers that serve nothing say so, or end themselves."""
    server = settings_of(journal).application_server
    asks_more = server.handshaking or server.health_check != "event_loop"
    replaced = server.let_it_crash_s is not None or server.liveness_probe_s is not None
    return HEALTH_GREEN in journal.header.expect or asks_more or replaced
