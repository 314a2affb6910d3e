"""Whether the load generator sent every request when it was due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import ClockFactor
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


LATE_S = 0.5  # some quarter of an hour of the night at the usual speeds: beyond it the load is no longer the trace's


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Compare when each request was taken up and was due; unknown if one is missing, or 1 % were later than LATE_S.

    What connecting takes then is the facility's doing.
    """
    late = sorted(transaction.request.taken_up_s - transaction.request.due_s for transaction in journal.transactions)
    planned = len(late) if _stood_still(journal) else journal.header.trace.requests
    if len(late) < planned or not late:
        return Finding("open_loop", Verdict.UNKNOWN, f"{len(late)} of {planned} requests were sent")
    p99_s = late[min(len(late) - 1, int(len(late) * 0.99))]
    within = f"99 % within {p99_s * 1000:.1f} ms of when they were due, the limit is {LATE_S * 1000:.0f} ms"
    text = f"{planned} of {planned} requests sent, {within}"
    return Finding("open_loop", Verdict.HELD if p99_s <= LATE_S else Verdict.UNKNOWN, text)


def _stood_still(journal: Journal) -> bool:
    """Whether the night was ordered to stand still before it was over, and did to the end: who comes later than that does not come."""
    orders = sorted(journal.of(ClockFactor), key=lambda order: order.t_s)
    return bool(orders) and orders[-1].factor == 0.0 and orders[-1].night_s < journal.header.night.to_s
