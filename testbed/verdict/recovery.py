"""Whether service came back, by itself or by a restart, and after how long: pure functions of the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.events import OperationEvent, Sample, Step
from testbed.verdict.changes import RESTART, first_fault

if TYPE_CHECKING:
    from testbed.journal.reader import Journal, Transaction
    from testbed.verdict.stuck_spans import Spans


@dataclass(frozen=True, slots=True)
class RecoveryTime:
    """From the first fault to the last transaction that was not answered, in real and in the night's seconds."""

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
    bad = [transaction.request for transaction in after if transaction.ended != "answered"]
    if not bad:
        return RecoveryTime(0.0, 0.0)
    last = max(bad, key=lambda request: request.due_s)
    troubled = {request.caller for request in bad}
    if not all(came_back(journal, caller, last.due_s) for caller in troubled):
        return None
    return RecoveryTime(last.due_s - fault.t_s, last.night_s - fault.night_s)


def restarted_by_hand(journal: Journal, spans: Spans) -> bool:
    """Whether an operator restarted anything after trouble began, so that a recovery by itself can no longer be observed.

    Trouble is a leak, a stuck service, or after a fault a transaction that had failed or was never answered. A restart without trouble, as
    for maintenance, does not count.
    """
    restarted = {step.id for step in journal.of(Step) if step.operation == RESTART}
    begins = [
        event.t_s for event in journal.of(OperationEvent) if event.operation == RESTART and event.state == "begin" and event.id in restarted
    ]
    if not begins:
        return False
    fault = first_fault(journal)
    since_s = float("inf") if fault is None else fault.t_s
    bad = [transaction for transaction in journal.transactions if transaction.ended != "answered"]
    known_bad_s = [transaction.request.due_s if transaction.response is None else transaction.response.answered_s for transaction in bad]
    troubles_s = [
        *(sample.t_s for sample in journal.of(Sample) if sample.pool and sample.pool.leaked),
        *(span.from_s for spans_of_service in spans.values() for span in spans_of_service),
        *(at_s for at_s in known_bad_s if at_s >= since_s),
    ]
    return min(troubles_s, default=float("inf")) < begins[-1]
