"""How long passengers waited for an answer, from when their request was due: a pure function of the journal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.verdict.changes import first_fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testbed.journal.reader import Journal, Transaction

IN_TIME_S = 5.0  # real seconds from when a transaction is due: an answer that takes longer is late
BEFORE, AFTER = "before", "after"
HALVES = (BEFORE, AFTER)


@dataclass(frozen=True, slots=True)
class Latency:
    """The real seconds from when transactions were due until they were answered.

    `answered`, `failed`, `unanswered`: how many there were of each. Percentiles and the longest are of those answered and unanswered; what
    was never answered takes for ever, so that None means: never, or nobody asked. What failed is in no percentile: it was not answered.
    """

    answered: int
    failed: int
    unanswered: int
    median_s: float | None
    p90_s: float | None
    p99_s: float | None
    longest_s: float | None


def waited_s(transaction: Transaction) -> float | None:
    """Return the real seconds from when a transaction was due until it was answered; None if it never was."""
    if transaction.response is None or transaction.ended != "answered":
        return None
    return transaction.response.answered_s - transaction.request.due_s


def is_late(transaction: Transaction) -> bool:
    """Whether a transaction was answered, but later than `IN_TIME_S` after it was due."""
    return (waited_s(transaction) or 0.0) > IN_TIME_S


def is_in_time(transaction: Transaction) -> bool:
    """Whether a transaction was answered within `IN_TIME_S` from when it was due."""
    return transaction.ended == "answered" and not is_late(transaction)


def of(transactions: Iterable[Transaction]) -> Latency:
    """Return the latency of some transactions."""
    ended = list(transactions)
    waits_s = sorted(wait_s for transaction in ended if (wait_s := waited_s(transaction)) is not None)
    unanswered = sum(transaction.response is None for transaction in ended)

    def percentile(share: float) -> float | None:
        rank = math.ceil(share * (len(waits_s) + unanswered))
        return waits_s[rank - 1] if 0 < rank <= len(waits_s) else None

    failed = len(ended) - len(waits_s) - unanswered
    return Latency(len(waits_s), failed, unanswered, percentile(0.5), percentile(0.9), percentile(0.99), percentile(1.0))


def half(journal: Journal, transaction: Transaction) -> str:
    """Return whether a transaction had ended `before` the first fault began, or belongs to the time `after` it."""
    fault = first_fault(journal)
    ended_s = float("inf") if transaction.response is None else transaction.response.answered_s
    # What was under way when the fault came may have failed by it.
    return AFTER if fault is not None and max(transaction.request.due_s, ended_s) >= fault.t_s else BEFORE


def by_caller(journal: Journal) -> dict[str, dict[str, Latency]]:
    """Return the latency of each caller's transactions, `before` and `after` the first fault began."""
    grouped: dict[str, dict[str, list[Transaction]]] = {caller: {name: [] for name in HALVES} for caller in journal.header.facility.callers}
    for transaction in journal.transactions:
        if transaction.request.caller in grouped:
            grouped[transaction.request.caller][half(journal, transaction)].append(transaction)
    return {caller: {name: of(transactions) for name, transactions in halves.items()} for caller, halves in grouped.items()}
