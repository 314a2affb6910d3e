"""Whether every error was counted, although the log could not be written (W7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.verdict.finding import Finding, Verdict, held_if
from testbed.verdict.recovery import needs_facility
from testbed.verdict.stuck_spans import lives

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Compare the transactions that failed with the errors that application servers counted, and those with the lines of their logs.

    A call that is made again counts more than once there; so at least as many were counted as failed. A log loses no line without
    counting it. Where no line was lost, no error met a full disk, and nothing is shown.
    """
    counted = lines = lost = 0
    for server in journal.header.facility.application_servers:
        for samples in lives(journal, server):
            counted += sum(one.failed for one in samples[-1].results.values())
            log = samples[-1].log
            if log is not None:
                lines, lost = lines + log.written + log.lost, lost + log.lost
    failed = sum(one.ended == "failed" and needs_facility(journal, one) for one in journal.transactions)
    text = f"{failed} transactions failed, {counted} errors counted by application servers, {lines} lines about them, {lost} of those lost"
    if not lost:
        return Finding("errors_counted", Verdict.UNKNOWN, f"{text}: no error met a full disk", ("W7",))
    return Finding("errors_counted", held_if(failed <= counted == lines), text, ("W7",))
