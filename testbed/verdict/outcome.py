"""Outcome and crack, computed from a journal and its figures. Pure functions."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from testbed.plan.expectation import Crack, Outcome
from testbed.verdict.recovery import came_back, needs_facility
from testbed.verdict.stuck_spans import is_stuck_at_end

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def outcome(journal: Journal, figures: Figures) -> Outcome | None:
    """Return what became of the airline; None if the journal does not show it.

    `grounded`: at the end a caller was out of service (stuck, or served no more), or it took a restart by hand. `contained`: some
    transactions failed or were never answered, and facility transactions were answered again. `unharmed`: every transaction was answered.
    None: requests still waited or failed at the end, with no caller out of service and no sign that service came back; the night was too
    short, or its load too light.
    """
    if journal.end is None or journal.end.reason != "complete" or not journal.transactions:
        return None
    callers = journal.header.facility.callers
    stuck_at_end = any(is_stuck_at_end(journal, figures.spans, caller) for caller in callers)
    if figures.restarted_by_hand or stuck_at_end or served_no_more(journal):
        return Outcome.GROUNDED
    bad = [transaction for transaction in journal.transactions if transaction.ended != "answered"]
    if not bad:
        return Outcome.UNHARMED
    unanswered_s = [transaction.request.due_s for transaction in bad if transaction.ended == "unanswered"]
    callers_of_facility = {transaction.request.caller for transaction in journal.transactions if needs_facility(journal, transaction)}
    if unanswered_s and not all(came_back(journal, caller, max(unanswered_s)) for caller in callers_of_facility):
        return None
    first_s = min(transaction.request.due_s for transaction in bad)
    if callers_of_facility and not any(came_back(journal, caller, first_s) for caller in callers_of_facility):
        return None
    return Outcome.CONTAINED


def served_no_more(journal: Journal) -> bool:
    """Whether to the night's end no facility transaction was answered any more, of all callers together or of one of them.

    No caller need be stuck: a time-out at the pool turns the hang into errors, and the airline is out of service all the same. Each stale
    connection may cost a transaction, so more in a row, up to the last, must have failed than there are connections.
    """
    facility = journal.header.facility
    connections = facility.pool_size * len(facility.application_servers)
    by_due = sorted(journal.transactions, key=lambda transaction: transaction.request.due_s)
    needing = [transaction for transaction in by_due if needs_facility(journal, transaction)]
    groups = [needing, *([transaction for transaction in needing if transaction.request.caller == caller] for caller in facility.callers)]
    return any(sum(1 for _ in takewhile(lambda last: last.ended != "answered", reversed(group))) > connections for group in groups)


def crack(journal: Journal, figures: Figures) -> Crack:
    """Return how far the crack went at its worst."""
    callers = [bool(figures.spans[caller]) for caller in journal.header.facility.callers]
    servers = [bool(figures.spans[server]) for server in journal.header.facility.application_servers]
    levels = (
        (Crack.AIRLINE, all(callers)),
        (Crack.CALLER, any(callers)),
        (Crack.FACILITY, all(servers)),
        (Crack.SERVER, any(servers)),
        (Crack.POOL, any(figures.most_leaked_connections.values())),
        (Crack.LOOKUP, any(transaction.ended != "answered" for transaction in journal.transactions)),
    )
    return next((level for level, reached in levels if reached), Crack.NOTHING)
