"""Whether service came back, by itself or by a restart, and after how long: pure functions of the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.events import OperationEvent, Step
from testbed.verdict.changes import RESTART, first_fault
from testbed.verdict.latency import is_in_time

if TYPE_CHECKING:
    from testbed.journal.reader import Journal, Transaction
    from testbed.verdict.stuck_spans import Spans

LAST = 3  # so many of a caller's transactions in a row, the last ones, must be answered for it to be in service
UNDER_WAY_S = 0.5  # real seconds that a transaction takes at most while all is well


@dataclass(frozen=True, slots=True)
class RecoveryTime:
    """From the first fault to when the last transaction was due that was not answered in time, in real and in the night's seconds."""

    took_s: float
    took_night_s: float


def needs_facility(journal: Journal, transaction: Transaction) -> bool:
    """Whether a transaction calls the facility."""
    request = transaction.request
    return journal.header.transactions.get(request.caller, {}).get(request.transaction, True)


def came_back(journal: Journal, caller: str, after_s: float) -> bool:
    """Whether a facility transaction of the caller, due after a time, was answered."""
    return any(
        transaction.ended == "answered" and transaction.request.due_s > after_s and needs_facility(journal, transaction)
        for transaction in journal.transactions
        if transaction.request.caller == caller
    )


def recovery(journal: Journal) -> RecoveryTime | None:
    """Return how long it took until every caller was served again, to the night's end; None without a fault, or if one never was.

    A caller that had no facility transaction after the last failure counts as not served.
    """
    fault = first_fault(journal)
    if fault is None:
        return None
    after = [transaction for transaction in journal.transactions if transaction.request.due_s >= fault.t_s]
    bad = [transaction.request for transaction in after if not is_in_time(transaction)]
    if not bad:
        return RecoveryTime(0.0, 0.0)
    last = max(bad, key=lambda request: request.due_s)
    troubled = {request.caller for request in bad}
    if not all(came_back(journal, caller, last.due_s) for caller in troubled):
        return None
    return RecoveryTime(last.due_s - fault.t_s, last.night_s - fault.night_s)


def facility_transactions(journal: Journal, caller: str) -> list[Transaction]:
    """Return the transactions of a caller that need the facility, in the order in which they were due."""
    return [transaction for transaction in transactions_of(journal, caller) if needs_facility(journal, transaction)]


def transactions_of(journal: Journal, caller: str) -> list[Transaction]:
    """Return all transactions of a caller, in the order in which they were due."""
    asked = (transaction for transaction in journal.transactions if transaction.request.caller == caller)
    return sorted(asked, key=lambda transaction: transaction.request.due_s)


def needed_restart(journal: Journal, spans: Spans) -> tuple[OperationEvent, tuple[str, ...]] | None:
    """Return the first restart by hand that was needed, and the callers that were out of service when it began; None if none was.

    A restart after service was back, or for maintenance, brought nothing back. One that restarted nothing counts as none.
    """
    restarted = {step.id for step in journal.of(Step) if step.operation == RESTART}
    for event in journal.of(OperationEvent):
        if event.operation == RESTART and event.state == "begin" and event.id in restarted:
            out = tuple(caller for caller in journal.header.facility.callers if _is_out(journal, spans, caller, event.t_s))
            if out:
                return event, out
    return None


def _is_out(journal: Journal, spans: Spans, caller: str, at_s: float) -> bool:
    """Whether a caller was out of service at a time: stuck, or not all of its last `LAST` transactions until then had been answered.

    What was due only just before may still have been under way.
    """
    if any(span.from_s <= at_s <= span.to_s + UNDER_WAY_S for span in spans[caller]):
        return True
    due = [transaction for transaction in facility_transactions(journal, caller) if transaction.request.due_s < at_s - UNDER_WAY_S]
    return not all(transaction.ended == "answered" and _ended_s(transaction) <= at_s for transaction in due[-LAST:])


def _ended_s(transaction: Transaction) -> float:
    return float("inf") if transaction.response is None else transaction.response.answered_s
