"""When service stopped: a pure function of a journal and its judgement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.plan.expectation import Outcome
from testbed.postmortem.alarm import Moment, Stopped
from testbed.verdict.recovery import facility_transactions, transactions_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    became so; otherwise with the last answer of what needs the facility, of the callers that were out of service at the end, or when a
    restart that was needed began. Where the outcome is not known, a hang is all that shows that service stopped.
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
    until_s = float("inf") if restart is None else restart[0].t_s
    asked = {caller: facility_transactions(journal, caller) for caller in journal.header.facility.callers}
    out = _out(asked) if restart is None else restart[1]
    if not out:  # what needs nothing but the caller shows that it is gone
        asked = {caller: transactions_of(journal, caller) for caller in asked}
        out = _out(asked)
    responses = (transaction.response for caller in out for transaction in asked[caller] if transaction.ended == "answered")
    answers = [response for response in responses if response is not None and response.answered_s <= until_s]
    if not answers:
        return Stop(None, known=False, text=f"{', '.join(out)} had answered nothing before")
    last_answer = max(answers, key=lambda response: response.answered_s)
    return Stop(Moment(last_answer.answered_s, last_answer.night_s), known=True, text=f"the last answer of {', '.join(out)}")


def _out(asked: Mapping[str, Sequence[Transaction]]) -> tuple[str, ...]:
    """Return the callers whose last transaction, of those given, was not answered."""
    return tuple(caller for caller, transactions in asked.items() if transactions and transactions[-1].ended != "answered")
