"""Whether the load generator kept its times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


LATE_S = 0.5  # later than this, some quarter of an hour of the night at the usual speeds, the load is not the trace's any more


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Compare when requests were due and when they were sent, and count whether all were."""
    late = sorted(one.request.sent_s - one.request.due_s for one in journal.transactions)
    planned = journal.header.trace.requests
    if len(late) < planned or not late:
        return Finding("open_loop", Verdict.UNKNOWN, f"{len(late)} of {planned} requests were sent")
    p99_s = late[min(len(late) - 1, int(len(late) * 0.99))]
    text = f"{planned} of {planned} requests sent, 99 % within {p99_s * 1000:.1f} ms of when they were due"
    return Finding("open_loop", Verdict.HELD if p99_s <= LATE_S else Verdict.UNKNOWN, text)
