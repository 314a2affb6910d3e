"""When service stopped: a pure function of a journal and its judgement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.plan.expectation import Outcome
from testbed.postmortem.alarm import Moment, Stopped
from testbed.verdict.recovery import facility_transactions, transactions_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.journal.events import OperationEvent
    from testbed.journal.reader import Journal, Transaction
    from testbed.verdict.judge import Judgement


@dataclass(frozen=True, slots=True)
class Stop:
    """When service stopped (None: it did not, or it is not known), and how that is known; `known`: whether it is."""

    at: Moment | None
    known: bool
    text: str


def stopped(judgement: Judgement, stop: Stop) -> Stopped | None:
    """Return when the trouble began that ended in this stop; None where service did not stop, or where it is not known to have."""
    if stop.at is None:
        return None
    if judgement.figures.first_trouble is None:
        return Stopped(stop.at.t_s, stop.at.t_s)
    first, _ = judgement.figures.first_trouble
    return Stopped(first.request.sent_s if first.response is None else first.response.answered_s, stop.at.t_s)


def service_stop(journal: Journal, judgement: Judgement) -> Stop:
    """Return when service stopped.

    With a hang, when it began. Without one, of a night that is `grounded`: where callers were stuck at the end, when the last of them
    became so; otherwise with the first transaction of those callers that were out of service at the end, or before a restart that was
    needed, from which on none that needs the facility was answered; where none was asked any more, when that restart began. The last
    answer itself tells nothing of a quiet night: hours may lie between it and the next transaction. Where the outcome is not known, a
    hang is all that shows that service stopped.
    """
    figures, restart = judgement.figures, judgement.figures.needed_restart
    if figures.hang is not None:
        return Stop(Moment(figures.hang.from_s, figures.hang.night_s), known=True, text="every caller hung")
    if judgement.outcome is None:
        return Stop(None, known=False, text=judgement.reason.text)
    if judgement.outcome is not Outcome.GROUNDED:
        return Stop(None, known=True, text=judgement.reason.text)
    if figures.stuck_at_end and restart is None:
        last = max((figures.spans[caller][-1] for caller in figures.stuck_at_end), key=lambda span: span.from_s)
        return Stop(Moment(last.from_s, last.night_s), known=True, text=f"{', '.join(figures.stuck_at_end)} stuck to the end")
    return _served_no_more(journal, restart)


def _served_no_more(journal: Journal, restart: tuple[OperationEvent, tuple[str, ...]] | None) -> Stop:
    """Return from when on the callers that were out of service, at the end or before a restart, were not answered any more."""
    until_s = float("inf") if restart is None else restart[0].t_s
    asked = {caller: facility_transactions(journal, caller) for caller in journal.header.facility.callers}
    out = _out(asked) if restart is None else restart[1]
    if not out:  # what needs nothing but the caller shows that it is gone
        asked = {caller: transactions_of(journal, caller) for caller in asked}
        out = _out(asked)
    sent = sorted(
        (transaction for caller in out for transaction in asked[caller] if transaction.request.sent_s <= until_s),
        key=lambda transaction: transaction.request.sent_s,
    )
    answered = [number for number, transaction in enumerate(sent) if _is_answered(transaction, until_s)]
    if not answered:
        return Stop(None, known=False, text=f"{', '.join(out)} had answered nothing before")
    text = f"from then on {', '.join(out)} answered nothing"
    later = sent[answered[-1] + 1 :]
    if not later:
        at = None if restart is None else Moment(restart[0].t_s, restart[0].night_s)
        return Stop(at, known=at is not None, text=text)
    first = later[0].request
    last_answer = max((r for number in answered if (r := sent[number].response) is not None), key=lambda response: response.answered_s)
    if last_answer.answered_s > first.sent_s:
        return Stop(Moment(last_answer.answered_s, last_answer.night_s), known=True, text=text)
    return Stop(Moment(first.sent_s, first.night_s), known=True, text=text)


def _is_answered(transaction: Transaction, until_s: float) -> bool:
    """Whether a transaction was answered by a time."""
    return transaction.ended == "answered" and transaction.response is not None and transaction.response.answered_s <= until_s


def _out(asked: Mapping[str, Sequence[Transaction]]) -> tuple[str, ...]:
    """Return the callers whose last transaction, of those given, was not answered."""
    return tuple(caller for caller, transactions in asked.items() if transactions and transactions[-1].ended != "answered")
