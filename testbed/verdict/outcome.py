"""Outcome, with its reason, and crack, computed from a journal and its figures. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, takewhile
from typing import TYPE_CHECKING

from testbed.journal.events import Observed
from testbed.journal.header_settings import connections
from testbed.plan.clock import clock_text
from testbed.plan.expectation import Crack, Outcome
from testbed.verdict.busyness import MACHINE_BUSY, stalled_s
from testbed.verdict.changes import first_fault, last_change, spans_that_delay
from testbed.verdict.evidence import tells
from testbed.verdict.latency import IN_TIME_S, is_in_time, is_late, waited_s
from testbed.verdict.recovery import LAST, facility_transactions, needed_restart, needs_facility, transactions_of
from testbed.verdict.stuck_spans import together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.reader import Journal, Transaction
    from testbed.verdict.figures import Figures
    from testbed.verdict.stuck_spans import Spans


EVERYBODY_ANSWERED = (Outcome.UNHARMED, Outcome.CONTAINED)  # what it can be if everybody was, in time or late


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an outcome is what it is (None: it is unknown): a code for programs, and a sentence with names, numbers and times.

    `may_be`: of an unknown one, what alone it can be, where the journal shows that much.
    """

    outcome: Outcome | None
    code: str
    text: str
    may_be: tuple[Outcome, ...] = ()


def outcome(journal: Journal, figures: Figures) -> Outcome | None:
    """Return what became of the airline; None if the journal does not show it."""
    return reason(journal, figures).outcome


def reason(journal: Journal, figures: Figures) -> Reason:
    """Return what became of the airline, and why.

    `grounded`: at the end a caller was out of service (stuck, or served no more), or it took a hand to bring service back. `contained`:
    some transactions failed, were never answered or were late, and every caller was served again: its last `LAST` transactions that need
    the facility were answered. `unharmed`: every transaction was answered within `IN_TIME_S` from when it was due. None: the journal shows
    neither.
    """
    if not journal.is_complete:
        return Reason(None, "not_complete", "the replay did not come to its end")
    if not journal.transactions:
        return Reason(None, "no_transactions", "no transaction was sent")
    found = _grounded(journal, figures)
    if found is not None:
        return found
    bad = [transaction for transaction in journal.transactions if transaction.ended != "answered"]
    return _served_again(journal, bad) if bad else _all_answered(journal)


def _all_answered(journal: Journal) -> Reason:
    """Return whether all transactions, each of which was answered, were answered in time."""
    count, late = len(journal.transactions), [transaction for transaction in journal.transactions if is_late(transaction)]
    if not late:
        return Reason(Outcome.UNHARMED, "all_answered", f"all of {count} transactions were answered within {IN_TIME_S:.0f} s")
    slowest = max(late, key=lambda transaction: waited_s(transaction) or 0.0)
    text = (
        f"all of {count} transactions were answered, but {len(late)} later than {IN_TIME_S:.0f} s after they were due: at worst after "
        f"{waited_s(slowest):.1f} s ({slowest.request.caller} {slowest.request.transaction}, due at {clock_text(slowest.request.night_s)})"
    )
    spans_s = [(transaction.request.taken_up_s, transaction.response.answered_s) for transaction in late if transaction.response]
    if all(to_s - from_s <= IN_TIME_S for from_s, to_s in spans_s):
        return Reason(None, "sent_late", f"{text}; the load generator had sent them late", EVERYBODY_ANSWERED)
    if all(to_s - from_s - _excused_s(journal, from_s, to_s) <= IN_TIME_S for from_s, to_s in spans_s):
        text += "; without the time in which the machine had no processor free, none was late"
        return Reason(None, MACHINE_BUSY, text, EVERYBODY_ANSWERED)
    return Reason(Outcome.CONTAINED, "late", text)


def _excused_s(journal: Journal, from_s: float, to_s: float) -> float:
    """Return for how long of a span a processor was wanting, but for the time in which a fault alone makes answers late on any machine."""
    held = ((max(from_s, begin_s), min(to_s, end_s)) for begin_s, end_s in spans_that_delay(journal, IN_TIME_S))
    return stalled_s(journal, from_s, to_s) - sum(stalled_s(journal, begin_s, end_s) for begin_s, end_s in held if begin_s < end_s)


def _grounded(journal: Journal, figures: Figures) -> Reason | None:
    """Return why the airline was grounded, or that a hang cannot be told from a delay; None if neither is so."""
    stuck = figures.stuck_at_end
    if figures.needed_restart is not None:
        restart, callers = figures.needed_restart
        text = f"servers were restarted by hand at {clock_text(restart.night_s)}, when {_names(callers)} {_was(callers)} out of service"
        if stuck:
            text += f"; all the same {_names(stuck)} {_was(stuck)} stuck to the end"
        return Reason(Outcome.GROUNDED, "restarted_by_hand", text)
    if stuck:
        window = journal.of(Observed)[-1]
        watched_s = window.until_s - window.since_s
        if watched_s < window.longest_delay_s:
            text = (
                f"{_names(stuck)} {_was(stuck)} stuck at the end, but a fault may delay a transaction by {window.longest_delay_s:.0f} s, "
                f"and the closing window was {watched_s:.0f} s"
            )
            return Reason(None, "delay_longer_than_seen", text)
        return Reason(Outcome.GROUNDED, "stuck_at_end", f"{_names(stuck)} {_was(stuck)} stuck to the end; {_last_answer(journal, stuck)}")
    return _served_no_more(journal) or _perhaps_needed(journal, figures)


def _perhaps_needed(journal: Journal, figures: Figures) -> Reason | None:
    """Return that nobody saw whether a restart was needed: too little was seen of a caller to say that it was not stuck; None if not so."""
    perhaps = needed_restart(journal, figures.possible_spans)
    if perhaps is None:
        return None
    restart, callers = perhaps
    text = f"servers were restarted by hand at {clock_text(restart.night_s)}, and too little was seen of {_names(callers)} before"
    return Reason(None, "not_seen_if_needed", text)


def _served_no_more(journal: Journal) -> Reason | None:
    """Return that to the night's end nothing was answered any more, of all callers together or of one; None if not so.

    No caller need be stuck: a time-out at the pool turns hangs into errors, and the airline is out of service all the same. Each stale
    connection may cost a transaction, so more in a row, up to the last, must have failed than there are connections; and these were due
    when the last fault or operation was over: what a fault explains that was healed does not show that it goes on. Asked is of what needs
    the facility, and of each caller of all that it was asked for, too: who asks it for nothing else may find it gone.
    """
    most, callers = connections(journal), journal.header.facility.callers
    change = last_change(journal)
    since_s = float("-inf") if change is None else change.t_s
    by_caller = {caller: facility_transactions(journal, caller) for caller in callers}
    everybody = sorted(chain(*by_caller.values()), key=lambda transaction: transaction.request.due_s)
    groups = [("no caller was served", everybody)] if len(callers) > 1 else []
    groups += [(f"{caller} served nothing", needing) for caller, needing in by_caller.items()]
    groups += [(f"{caller} served nothing", transactions_of(journal, caller)) for caller in callers]
    for what, asked in groups:
        row = _last_in_row(asked, answered=False)
        last = [transaction for transaction in row if transaction.request.due_s >= since_s]
        if len(last) > most:
            kind = "transactions" if any(not needs_facility(journal, transaction) for transaction in last) else "facility transactions"
            text = (
                f"{what} {_after_last_answer(asked)}: {len(last)} of {len(last)} {kind} {_ended_badly(last)}, more than the "
                f"{most:.0f} stale connections can explain"
            )
            return Reason(Outcome.GROUNDED, "served_no_more", text)
    return None


def _after_last_answer(asked: Sequence[Transaction]) -> str:
    """Format when the last answer to one of some transactions came."""
    answered = [transaction.response for transaction in asked if transaction.response and transaction.ended == "answered"]
    return f"after {clock_text(max(response.night_s for response in answered))}" if answered else "all night"


def _ended_badly(bad: Sequence[Transaction]) -> str:
    """Format how transactions ended none of which was answered."""
    ends = {transaction.ended for transaction in bad}
    return "failed" if ends == {"failed"} else "were never answered" if ends == {"unanswered"} else "failed or were never answered"


def _served_again(journal: Journal, bad: Sequence[Transaction]) -> Reason:
    """Return that every caller was served again, or which one was not seen to be."""
    harmed = f"{len(bad)} of {len(journal.transactions)} transactions {_ended_badly(bad)}"
    doubtful, busy = [], True
    for caller in journal.header.facility.callers:
        answered = _answered_since(journal, caller, facility_transactions(journal, caller))
        if answered < LAST:
            count = f"{answered} transaction{'' if answered == 1 else 's'}"
            doubtful.append(f"{caller} was answered {count} after its last failure, fewer than {LAST}")
            waited_for = [asked for asked in facility_transactions(journal, caller) if not _was_cut_short(journal, asked)]
            busy = busy and _answered_since(journal, caller, waited_for) >= LAST
    text = f"{harmed}, and at the end {'; '.join(doubtful)}"
    if doubtful and busy:
        return Reason(None, MACHINE_BUSY, f"{text}; for want of a processor, those after it were not waited for as long as the others")
    if doubtful:
        return Reason(None, "not_seen_to_come_back", text)
    last = max(bad, key=lambda transaction: transaction.request.due_s)
    text = f"{harmed}, the last due at {clock_text(last.request.night_s)} ({last.request.caller}); then every caller was served again"
    late = sum(is_late(transaction) for transaction in journal.transactions)
    if late:
        text += f"; {late} answer{'s' if late > 1 else ''} came later than {IN_TIME_S:.0f} s after when due"
    return Reason(Outcome.CONTAINED, "served_again", text)


def _answered_since(journal: Journal, caller: str, needing: Sequence[Transaction]) -> float:
    """Return how many answers a caller that had trouble gave after it: infinity if it had none.

    What needs the facility has to be answered to the last. Any answer shows that a caller is there again at which failed what needs
    nothing else.
    """
    if any(transaction.ended != "answered" for transaction in needing):
        return len(_last_in_row(needing, answered=True))
    asked = transactions_of(journal, caller)
    failed = [
        number for number, transaction in enumerate(asked) if transaction.ended != "answered" and not needs_facility(journal, transaction)
    ]
    return sum(transaction.ended == "answered" for transaction in asked[failed[-1] :]) if failed else float("inf")


def _was_cut_short(journal: Journal, transaction: Transaction) -> bool:
    """Whether the replay waited less than its closing window for a transaction, without the time in which no processor was free."""
    if transaction.ended != "unanswered":
        return False
    closing, due_s = journal.of(Observed)[-1], transaction.request.due_s
    return closing.since_s < due_s + stalled_s(journal, due_s, closing.until_s)


def _last_in_row(by_due: Sequence[Transaction], *, answered: bool) -> list[Transaction]:
    """Return the last transactions that all were answered, or all were not, in the order in which they were due."""
    return list(takewhile(lambda transaction: (transaction.ended == "answered") is answered, reversed(by_due)))[::-1]


def _last_answer(journal: Journal, callers: Sequence[str]) -> str:
    """Format until when transactions of callers that need the facility were answered."""
    answered = [
        transaction for caller in callers for transaction in facility_transactions(journal, caller) if transaction.ended == "answered"
    ]
    if not answered:
        return "nothing that needs the facility was answered all night"
    last, fault = max(answered, key=lambda transaction: transaction.request.due_s).request, first_fault(journal)
    if fault is not None and last.due_s < fault.t_s:  # nobody asked in between
        return f"nothing that needs the facility and was due after the {fault.operation} of {clock_text(fault.night_s)} was answered"
    return f"nothing that needs the facility and was due after {clock_text(last.night_s)} was answered"


def _names(services: Sequence[str]) -> str:
    return services[0] if len(services) == 1 else f"{', '.join(services[:-1])} and {services[-1]}"


def _was(services: Sequence[str]) -> str:
    return "was" if len(services) == 1 else "were"


def crack(journal: Journal, figures: Figures) -> Crack:
    """Return how far the crack went at its worst, as far as was seen."""
    return _levels(journal, figures, figures.spans)[0]


def possible_cracks(journal: Journal, figures: Figures) -> tuple[Crack, ...]:
    """Return how far the crack may have gone at its worst, where too little was seen of services to say: that which was seen is one."""
    reached, levels = crack(journal, figures), set(_levels(journal, figures, figures.possible_spans))
    levels |= {Crack.POOL} if figures.evidence.stale or not tells(journal, "pool") else set()
    if not tells(journal, "threads") and any(not is_in_time(transaction) for transaction in journal.transactions):
        levels |= {Crack.SERVER, Crack.FACILITY}  # a request that waited may have waited there
    return (reached, *sorted(level for level in levels if level > reached))


def _levels(journal: Journal, figures: Figures, spans: Spans) -> list[Crack]:
    """Return every level that was reached, with the services stuck in these spans; the highest first."""
    callers, servers = journal.header.facility.callers, journal.header.facility.application_servers
    levels = (
        (Crack.AIRLINE, bool(together(spans, callers))),
        (Crack.CALLER, any(spans[caller] for caller in callers)),
        (Crack.FACILITY, bool(together(spans, servers))),
        (Crack.SERVER, any(spans[server] for server in servers)),
        (Crack.POOL, any(figures.most_leaked_connections.values())),
        (Crack.LOOKUP, any(transaction.ended != "answered" for transaction in journal.transactions)),
    )
    return [*(level for level, reached in levels if reached), Crack.NOTHING]
