"""The alarms on what requests show: the rate of errors, the age of the oldest request, and robots, which are derived from real ones."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from testbed.journal.events import Response
from testbed.journal.header_settings import settings_of
from testbed.plan.clock import MINUTE_S, clock_text
from testbed.plan.topology import FacilityPlan, servers_of
from testbed.postmortem.alarm import Alarm, Moment, Ring
from testbed.verdict.evidence import CLOSING_S

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from testbed.journal.reader import Journal, Transaction
    from testbed.postmortem.alarm import Watch

ROBOT = "robot_"  # and the caller and the kind: the code of an alarm


def errors(watch: Watch) -> Alarm:
    """Return the alarm on failed requests; a request that hangs is no error, and is not counted."""
    within = f"{watch.rules.errors_within_night_s / MINUTE_S:g} min of the night"
    recent: deque[float] = deque()
    rings = []
    for response in sorted(watch.journal.of(Response), key=lambda response: response.answered_s):
        if response.ended != "failed":
            continue
        recent.append(response.night_s)
        while recent[0] < response.night_s - watch.rules.errors_within_night_s:
            recent.popleft()
        if len(recent) >= watch.rules.errors:
            rings.append(Ring(Moment(response.answered_s, response.night_s), f"{len(recent)} failed within {within}"))
    rule = f"{watch.rules.errors} requests failed within {within}"
    return watch.alarm("errors", "the rate of errors", rule, rings, _nobody_asked(watch))


def in_flight(watch: Watch) -> Alarm:
    """Return the alarm on the oldest request that is under way."""
    bound_s, rings, doubts = watch.rules.answer_within_s, [], []
    for transaction in watch.journal.transactions:
        request, ended_s = transaction.request, _ended_s(transaction)
        if ended_s - request.sent_s <= bound_s:
            continue
        if request.sent_s + bound_s <= watch.until_s:
            asked = f"{request.caller} {request.transaction} of {clock_text(request.night_s)}"
            slow_s = (request.sent_s, request.sent_s + bound_s)
            rings.append(Ring(watch.at(slow_s[1]), f"{asked} had no answer", slow_s, failed_s=_failed_s(transaction)))
        else:
            doubts.append(
                (request.sent_s, f"the journal ends {watch.until_s - request.sent_s:.1f} s after a request that was never answered")
            )
    rule = f"one has been under way for {bound_s:g} s"
    return watch.alarm("in_flight", "the age of the oldest request", rule, rings, (*_nobody_asked(watch), *doubts))


def robots(watch: Watch) -> Iterator[Alarm]:
    """Yield an alarm for a robot of each kind of transaction that needs the facility.

    Derived, not measured: a robot did not ask. One that had asked at a moment would have fared as the next real transaction of its kind,
    of the same caller, if no fault or operation began or ended until that was told. It rings when that would have failed, or when it would
    have had no answer for `answer_within_s`; not if the application servers that the caller calls answered another transaction before the
    real one was asked. Other moments say nothing, and of a robot that did not ring they leave unknown that it would not have. What the
    robot itself would have done to the facility, such as using up stale connections, is not counted.
    """
    every = f"{watch.rules.robot_every_night_s / MINUTE_S:g} min of the night"
    for caller, kinds in watch.journal.header.transactions.items():
        served_s = _served_s(watch.journal, caller)
        for kind in (kind for kind, needs in kinds.items() if needs):
            fates = list(_fates(watch, caller, kind, served_s))
            rings = (fate.ring for fate in fates if fate.ring is not None)
            doubts = _not_told(watch, fates, f"nobody asked {caller} for {kind} from which it could be told")
            rule = f"one, asked every {every}, fails or has no answer within {watch.rules.answer_within_s:g} s (derived)"
            yield watch.alarm(f"{ROBOT}{caller}_{kind}", f"a robot at {caller} ({kind})", rule, rings, doubts)


def is_derived(alarm: Alarm) -> bool:
    """Whether nobody measured what an alarm rings for."""
    return alarm.code.startswith(ROBOT)


def _served_s(journal: Journal, caller: str) -> list[float]:
    """Return when the application servers that a caller calls had answered a transaction (`t_s`), whichever caller that was of."""
    asked, callers = journal.header.transactions, _of_same_servers(journal, caller)
    return sorted(
        transaction.response.answered_s
        for transaction in journal.transactions
        if transaction.response is not None
        and transaction.ended == "answered"
        and transaction.request.caller in callers
        and asked.get(transaction.request.caller, {}).get(transaction.request.transaction, False)
    )


def _of_same_servers(journal: Journal, caller: str) -> Collection[str]:
    """Return the callers that call the same application servers as one of them does."""
    facility = journal.header.facility
    names = {"application_servers": len(facility.application_servers), "callers": facility.callers}
    try:
        servers = servers_of(FacilityPlan.model_validate(names), settings_of(journal).facility)
    except ValidationError:  # of a header that no replay writes
        return facility.callers
    return [other for other in servers if servers[other] == servers.get(caller)]


@dataclass(frozen=True, slots=True)
class _Fate:
    """What became of a robot that asked at a moment: its ring, if it rings; and whether that is told at all."""

    asked: Moment
    ring: Ring | None = None
    is_told: bool = True


def _fates(watch: Watch, caller: str, kind: str, served_s: Sequence[float]) -> Iterator[_Fate]:
    """Yield what became of a robot for each moment at which it asks; `served_s`: when the servers had answered anybody."""
    asked_for = (transaction for transaction in watch.journal.transactions if transaction.request.caller == caller)
    real = sorted(
        (transaction for transaction in asked_for if transaction.request.transaction == kind), key=lambda real: real.request.sent_s
    )
    sent_s = [transaction.request.sent_s for transaction in real]
    header = watch.journal.header.night
    rounds = int((header.to_s - header.from_s) // watch.rules.robot_every_night_s)
    for number in range(rounds + 1):
        asked = watch.at_night(header.from_s + number * watch.rules.robot_every_night_s)
        following = bisect_left(sent_s, asked.t_s)
        yield _Fate(asked, is_told=False) if following == len(real) else _fate(watch, asked, real[following], served_s)


def _fate(watch: Watch, asked: Moment, real: Transaction, served_s: Sequence[float]) -> _Fate:
    """Return what became of a robot that asked at a moment, as the next real transaction tells."""
    took_s = _ended_s(real) - real.request.sent_s
    told_by_s = real.request.sent_s + min(took_s, watch.rules.answer_within_s)
    if watch.changed_between(asked.t_s, told_by_s) or told_by_s > watch.until_s:
        return _Fate(asked, is_told=False)
    is_slow = took_s > watch.rules.answer_within_s
    if not is_slow and real.ended != "failed":
        return _Fate(asked)
    if bisect_right(served_s, asked.t_s) < bisect_right(served_s, real.request.sent_s):
        return _Fate(asked, is_told=False)
    text = "no answer" if is_slow else "failed"
    like = f"as that of {clock_text(real.request.night_s)}, asked at {clock_text(asked.night_s)}"
    told_s = asked.t_s + min(took_s, watch.rules.answer_within_s)
    slow_s = (real.request.sent_s, told_by_s) if is_slow else None
    return _Fate(asked, Ring(watch.at(told_s), f"{text}, {like}", slow_s, failed_s=_failed_s(real)))


def _not_told(watch: Watch, fates: Sequence[_Fate], nobody: str) -> tuple[tuple[float, str], ...]:
    """Return the doubt about a robot; none if of each of its moments it is told what became of it. `nobody`: of none of them it is.

    What it asked before the first fault could warn of nothing, and as of what monitoring samples, the last `CLOSING_S` seconds may miss.
    """
    from_s = 0.0 if watch.fault is None else watch.fault.t_s
    asked = [fate for fate in fates if fate.asked.t_s >= from_s]
    if not any(fate.is_told for fate in asked):
        return ((0.0, nobody),)
    to_s = watch.at_night(watch.journal.header.night.to_s).t_s - CLOSING_S
    unknown = [fate for fate in asked if not fate.is_told and fate.asked.t_s <= to_s]
    if not unknown:
        return ()
    first = unknown[0].asked
    text = f"nothing tells what became of {len(unknown)} of the {len(asked)} that it asked, the first at {clock_text(first.night_s)}"
    return ((first.t_s, text),)


def _ended_s(transaction: Transaction) -> float:
    return float("inf") if transaction.response is None else transaction.response.answered_s


def _failed_s(transaction: Transaction) -> float | None:
    """Return when a transaction failed (`t_s`); None for one that did not."""
    return transaction.response.answered_s if transaction.response is not None and transaction.ended == "failed" else None


def _nobody_asked(watch: Watch) -> tuple[tuple[float, str], ...]:
    return () if watch.journal.transactions else ((0.0, "nobody asked for anything"),)
