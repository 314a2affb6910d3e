"""Whether every error was counted, although the log could not be written (W7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import ENDED, Service
from testbed.verdict.finding import Finding, Verdict, held_if
from testbed.verdict.recovery import needs_facility
from testbed.verdict.stuck_spans import lives

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Compare the failed transactions with the errors that application servers counted, and these with the lines of their logs.

    A retried call counts more than once, so at least as many errors as failed transactions must be counted. A log counts each line that it
    loses. Unknown if the last sample of a server does not tell of its log, or is older than the last answer. Unknown if no line was lost:
    then no error met a full disk. Unknown, too, if too few were counted and a server was ended: what failed between its last sample and its
    end is in no count.
    """
    counted = lines = lost = 0
    unlogged: set[str] = set()
    servers = journal.header.facility.application_servers
    for server in servers:
        for samples in lives(journal, server):
            counted += sum(counts.failed for counts in samples[-1].results.values())
            log = samples[-1].log
            if log is None:
                unlogged.add(server)
            else:
                lines, lost = lines + log.written + log.lost, lost + log.lost
    failed = sum(transaction.ended == "failed" and needs_facility(journal, transaction) for transaction in journal.transactions)
    text = f"{failed} transactions failed; application servers counted {counted} errors in {lines} log lines, {lost} of them lost"
    if not lost:
        return Finding("errors_counted", Verdict.UNKNOWN, f"{text}: no line was lost, so no error met a full disk", ("W7",))
    unseen = sorted({*unlogged, *(server for server in figures.evidence.stale if lives(journal, server))})
    if unseen:
        return Finding("errors_counted", Verdict.UNKNOWN, f"{text}; not seen at the end: {', '.join(unseen)}", ("W7",))
    ended = sorted({event.service for event in journal.of(Service) if event.state in ENDED and event.service in servers})
    if ended and failed > counted:
        return Finding(
            "errors_counted", Verdict.UNKNOWN, f"{text}; what failed just before {', '.join(ended)} ended is in no count", ("W7",)
        )
    return Finding("errors_counted", held_if(failed <= counted == lines), text, ("W7",))
