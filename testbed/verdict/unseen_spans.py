"""When each service may have been stuck: the spans in which it was, and those in which too little was seen of it to say that it was not.

Looks that are no more than `APART_S` apart miss nothing. Between others, and next to them, a service may have stood still. The numbers of
one that comes so long after the look before may be as old as that: a machine without a processor free reads them late.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from testbed.journal.events import Observed, OperationEvent, Sample
from testbed.journal.header_settings import settings_of
from testbed.journal.stuck import STUCK_S, follow
from testbed.verdict.changes import spares_callers, spares_servers
from testbed.verdict.latency import IN_TIME_S
from testbed.verdict.recovery import needs_facility
from testbed.verdict.stuck_spans import APART_S, Span, ended_s, failed_between, lives, services, told_late

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from testbed.journal.reader import Journal, Transaction
    from testbed.journal.stuck import Standstill
    from testbed.verdict.stuck_spans import Spans

LOOK_S = 0.1  # real seconds between the looks of a replay: after one that saw a thread free, the next could have seen none


@dataclass(frozen=True, slots=True)
class _Stretch:
    """From when to when a service may have stood still, and between which samples what ended it was counted (None: nothing was)."""

    from_s: float
    to_s: float
    night_s: float
    last: Sample
    after: Sample | None


def find(journal: Journal, spans: Spans) -> dict[str, tuple[Span, ...]]:
    """Return the spans in which each service was stuck (`spans`), as long as they may have been, and where it may have been so."""
    timeout_s, longest_s = settings_of(journal).thread_timeout_s, _longest_s(journal)
    found = {}
    for service in services(journal):
        ends = ended_s(journal, service)
        stretches = [stretch for life in lives(journal, service) for stretch in _stretches(life, _gone_s(journal, life, ends))]
        found[service] = tuple(
            Span(stretch.from_s, stretch.to_s, stretch.night_s)
            for stretch in stretches
            if (longest_s(service, stretch) >= STUCK_S and _may_be_stuck(stretch, timeout_s))
            or any(stretch.from_s <= span.from_s <= stretch.to_s for span in spans[service])
        )
    return found


def _told(journal: Journal) -> dict[str, list[Transaction]]:
    """Return, by service, the transactions of which those that wait for an answer are all that it can have at work at a time.

    All of its request threads have something to do only while as many requests wait for an answer. That is not known of callers where a
    fault may take answers away from who asked; nor of application servers, where a fault may do so to callers, or callers do not wait for
    what they called.
    """
    facility, begins = journal.header.facility, [event for event in journal.of(OperationEvent) if event.state == "begin"]
    caller = settings_of(journal).caller
    patient = not caller.decoupled and caller.call_read_timeout_s is None and caller.call_deadline_s is None
    told: dict[str, list[Transaction]] = {}
    if all(spares_callers(journal, begin) for begin in begins):
        told = {name: [asked for asked in journal.transactions if asked.request.caller == name] for name in facility.callers}
    if patient and all(spares_servers(begin) for begin in begins):
        needing = [asked for asked in journal.transactions if needs_facility(journal, asked)]
        told.update((name, needing) for name in facility.application_servers)
    return told


def most_waiting(journal: Journal) -> Callable[[str, float, float], float]:
    """Return how many requests a service can have had at one time in a span (`t_s`), at the most; infinity where it is not known."""
    told = _told(journal)

    def most(service: str, from_s: float, to_s: float) -> float:
        if service not in told:
            return float("inf")
        return max((waiting for _, waiting, _ in _waiting(told[service], from_s, to_s)), default=0)

    return most


def _longest_s(journal: Journal) -> Callable[[str, _Stretch], float]:
    """Return for how long, at the most, a service can have stood still in a stretch, by what passengers asked and got meanwhile."""
    told, facility = _told(journal), journal.header.facility

    def longest_s(service: str, stretch: _Stretch) -> float:
        if service not in told:
            return stretch.to_s - stretch.from_s
        answers = service in facility.callers  # a caller that gives one does not stand still
        full = _full(told[service], stretch, facility.request_threads, answers=answers)
        return max((to_s - from_s for from_s, to_s in full), default=0.0)

    return longest_s


def _waiting(asked: Sequence[Transaction], from_s: float, to_s: float) -> Iterator[tuple[float, int, int]]:
    """Yield each moment of a span at which a request came or ended, with how many waited then for an answer, and the change."""
    changes = []
    for transaction in asked:
        ended_s = float("inf") if transaction.response is None else transaction.response.answered_s
        if transaction.request.sent_s < to_s and ended_s > from_s:
            changes += [(max(from_s, transaction.request.sent_s), 1), (min(to_s, ended_s), -1)]
    waiting = 0
    for at_s, change in sorted(changes, key=lambda each: (each[0], -each[1])):
        waiting += change
        yield at_s, waiting, change


def _full(asked: Sequence[Transaction], stretch: _Stretch, threads: int, *, answers: bool) -> Iterator[tuple[float, float]]:
    """Yield the spans of a stretch in which so many requests waited for an answer; `answers`: each of them ends where one came."""
    since_s = None
    for at_s, waiting, change in _waiting(asked, stretch.from_s, stretch.to_s):
        if since_s is not None and (waiting < threads or (answers and change < 0)):
            yield since_s, at_s
            since_s = None
        if waiting >= threads and since_s is None:
            since_s = at_s


def _gone_s(journal: Journal, life: Sequence[Sample], ends: Sequence[float]) -> float:
    """Return until when a process may have stood still after its last look: its end, or that of the closing window."""
    windows = journal.of(Observed)
    until_s = windows[-1].until_s if windows else life[-1].t_s
    return min((at_s for at_s in ends if at_s >= life[-1].t_s), default=max(until_s, life[-1].t_s))


def _stretches(life: Sequence[Sample], gone_s: float) -> Iterator[_Stretch]:
    """Yield where a process may have stood still: each standstill with what was not seen before and after it, and each long gap."""
    standstill: Standstill | None = None
    before: Sample | None = None  # the last look before the standstill, or the last of all
    late = told_late(life)
    for sample in life:
        was, standstill = standstill, follow(standstill, sample)
        if was is not None and (standstill is None or standstill.first is not was.first):
            yield _around(was, _oldest(before, late), sample)
            before = was.last
        elif was is None and before is not None and sample.t_s - before.t_s > APART_S:
            oldest = _oldest(before, late)
            yield _Stretch(oldest.t_s + LOOK_S, sample.t_s - LOOK_S, oldest.night_s, before, sample)
        if standstill is None:
            before = sample
    if standstill is None and before is not None and gone_s - before.t_s > APART_S:
        yield _Stretch(before.t_s + LOOK_S, gone_s, before.night_s, before, None)
    if standstill is not None:
        to_s = gone_s if gone_s - standstill.last.t_s > APART_S else standstill.last.t_s
        from_s, night_s = _begin(standstill, _oldest(before, late))
        yield _Stretch(from_s, to_s, night_s, standstill.last, None)


@overload
def _oldest(sample: Sample, late: Mapping[int, Sample]) -> Sample: ...
@overload
def _oldest(sample: Sample | None, late: Mapping[int, Sample]) -> Sample | None: ...
def _oldest(sample: Sample | None, late: Mapping[int, Sample]) -> Sample | None:
    """Return the sample after which one was taken that was told at its own time, or late: a machine without a processor free reads late."""
    return late.get(id(sample), sample)


def _around(standstill: Standstill, before: Sample | None, after: Sample) -> _Stretch:
    from_s, night_s = _begin(standstill, before)
    to_s = after.t_s - LOOK_S if after.t_s - standstill.last.t_s > APART_S else standstill.last.t_s
    return _Stretch(from_s, to_s, night_s, standstill.last, after)


def _begin(standstill: Standstill, before: Sample | None) -> tuple[float, float]:
    if before is None or standstill.first.t_s - before.t_s <= APART_S:
        return standstill.first.t_s, standstill.first.night_s
    return before.t_s + LOOK_S, before.night_s


def _may_be_stuck(stretch: _Stretch, timeout_s: float) -> bool:
    """Whether a service may have been stuck in a stretch, by how long it is and what ended it."""
    if stretch.after is None:
        return True
    lasted_s = max(stretch.to_s, stretch.after.t_s) - stretch.from_s
    if lasted_s > IN_TIME_S:
        return failed_between(stretch.last, stretch.after) <= 0 or lasted_s > timeout_s + STUCK_S
    return failed_between(stretch.last, stretch.after) > 0 and not (timeout_s and lasted_s <= timeout_s + STUCK_S)
