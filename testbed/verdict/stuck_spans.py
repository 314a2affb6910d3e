"""When each service was stuck, computed from a journal's samples by the rule of `journal/stuck.py`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from testbed.journal.events import ENDED, Observed, Sample, Service
from testbed.journal.header_settings import settings_of
from testbed.journal.stuck import STUCK_S, follow
from testbed.verdict.latency import IN_TIME_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.journal.reader import Journal
    from testbed.journal.stuck import Standstill

    Spans = Mapping[str, "tuple[Span, ...]"]  # by service


APART_S = 0.3  # real seconds between two looks, after which what was between is not known; nothing is stuck for less than STUCK_S


@dataclass(frozen=True, slots=True)
class Span:
    """A time during which a service was stuck: its first sample of that kind and its last (`t_s`), and the first's `night_s`."""

    from_s: float
    to_s: float
    night_s: float

    def covers(self, t_s: float) -> bool:
        """Whether a time lies in it."""
        return self.from_s <= t_s <= self.to_s


def services(journal: Journal) -> tuple[str, ...]:
    """Return every service that has request threads."""
    return (*journal.header.facility.application_servers, *journal.header.facility.callers)


def samples_of(journal: Journal, service: str) -> tuple[Sample, ...]:
    """Return the samples of a service in the order of time."""
    return tuple(sorted((sample for sample in journal.of(Sample) if sample.service == service), key=lambda sample: sample.t_s))


def ended_s(journal: Journal, service: str) -> list[float]:
    """Return when processes of a service ended, by themselves or not (`t_s`)."""
    return [event.t_s for event in journal.of(Service) if event.service == service and event.state in ENDED]


def told_late(life: Sequence[Sample]) -> dict[int, Sample]:
    """Return the look before each sample of a process that came long after it, by the id of the sample (`id`).

    What such a sample shows may have been so at any time since.
    """
    return {id(after): before for before, after in pairwise(life) if after.t_s - before.t_s > APART_S}


def lives(journal: Journal, service: str) -> list[list[Sample]]:
    """Return the samples of a service that have counts, in the order of time: a list for each of its processes.

    A restarted process counts from 0, so its counts must not be compared with those of the process before it.
    """
    ends = ended_s(journal, service)
    grouped: list[list[Sample]] = []
    for sample in samples_of(journal, service):
        if sample.busy is None:
            continue
        before = grouped[-1][-1] if grouped else None
        if before is None or any(before.t_s <= end_s < sample.t_s for end_s in ends) or sample.ended < before.ended:
            grouped.append([])
        grouped[-1].append(sample)
    return grouped


def find(journal: Journal) -> dict[str, tuple[Span, ...]]:
    """Return the spans in which each service was stuck: every request thread at work, and no operation ended (`journal/stuck.py`).

    A busy service is not stuck: its counts rise from sample to sample. Nor is a slow one: its operations ended with answers within
    `IN_TIME_S` seconds. It was stuck if they ended with errors, or by a restart; but not if a time-out of its own ended them in time: then
    the threads came back as they were meant to, whatever the time-out is. A span that lasts to the end must cover the whole
    closing window, which is as long as any operation could take; and nothing may have come back since its last sample.
    """
    since_s, timeout_s, callers = _closing_since_s(journal), settings_of(journal).thread_timeout_s, journal.header.facility.callers
    answered_s = {caller: max(_answered_s(journal, caller), default=0.0) for caller in callers}
    last_s = max(answered_s.values(), default=0.0)  # of an application server it is not known whose answer was its own
    found: dict[str, tuple[Span, ...]] = {}
    for service in services(journal):
        processes, ends, spans = lives(journal, service), ended_s(journal, service), list[Span]()
        for samples in processes:
            is_gone = samples is not processes[-1] or any(at_s >= samples[-1].t_s for at_s in ends)
            spans += _of_life(samples, since_s, float("-inf") if is_gone else answered_s.get(service, last_s), timeout_s)
        found[service] = tuple(spans)
    return found


def undecided(journal: Journal) -> tuple[str, ...]:
    """Return the services that stood still at the end, and were not seen to for long enough to be called stuck."""
    since_s = _closing_since_s(journal)
    return tuple(service for service in services(journal) if _is_undecided(journal, service, since_s))


def _is_undecided(journal: Journal, service: str, since_s: float) -> bool:
    processes = lives(journal, service)
    standstill: Standstill | None = None
    for sample in processes[-1] if processes else ():
        standstill = follow(standstill, sample)
    if standstill is None or _lasts(standstill, since_s):
        return False
    return all(at_s <= standstill.last.t_s for at_s in ended_s(journal, service))


def _closing_since_s(journal: Journal) -> float:
    windows = journal.of(Observed)
    return windows[-1].since_s if windows else float("inf")


def _lasts(standstill: Standstill, since_s: float) -> bool:
    """Whether a standstill that no further sample ended is a stuck service: it covers the closing window, or was over before."""
    return standstill.is_stuck and (standstill.first.t_s <= since_s or standstill.last.t_s < since_s)


def _answered_s(journal: Journal, caller: str) -> list[float]:
    return [asked.response.answered_s for asked in journal.transactions if asked.response and asked.request.caller == caller]


def _of_life(samples: Sequence[Sample], since_s: float, answered_s: float, timeout_s: float) -> list[Span]:
    """Return the spans of one process.

    `since_s` is the start of the closing window, `answered_s` when the last answer came that may be its own (of a process that ended, it
    does not matter), and `timeout_s` the variant's longest time-out.
    """
    spans: list[Span] = []
    standstill: Standstill | None = None
    late, seen_to_s = told_late(samples), float("-inf")
    for sample in samples:
        before, standstill = standstill, follow(standstill, sample)
        ended = before is not None and (standstill is None or standstill.first is not before.first)
        if before is not None and ended and _was_stuck(before, seen_to_s, sample, timeout_s):
            spans.append(_span(before))
        seen_to_s = late.get(id(sample), sample).t_s
    if standstill is not None and _lasts(standstill, since_s) and answered_s <= standstill.last.t_s:
        spans.append(_span(standstill))
    return spans


def _span(standstill: Standstill) -> Span:
    return Span(standstill.first.t_s, standstill.last.t_s, standstill.first.night_s)


def _was_stuck(standstill: Standstill, seen_to_s: float, after: Sample, timeout_s: float) -> bool:
    """Return whether a standstill that ended with the sample `after` it was a stuck service, and not a slow one, or one with a time-out.

    It was seen to last until `seen_to_s`. Where nobody looked for a while after that, it may have ended just then, and with the answers, if
    there were any.
    """
    apart = after.t_s - seen_to_s > APART_S
    seen_s = seen_to_s - standstill.first.t_s
    lasted_s = seen_s if apart else after.t_s - standstill.first.t_s
    by_answers = lasted_s > IN_TIME_S
    by_errors = not (timeout_s and lasted_s <= timeout_s + STUCK_S)
    failed, ended = failed_between(standstill.last, after), after.ended - standstill.last.ended
    is_stuck = standstill.is_stuck and seen_s >= STUCK_S
    if failed <= 0:
        return is_stuck and by_answers
    return is_stuck and by_errors and (by_answers or not apart or ended == failed)


def failed_between(before: Sample, after: Sample) -> int:
    """Return how many operations of a process failed between two of its samples."""
    return sum(counts.failed for counts in after.results.values()) - sum(counts.failed for counts in before.results.values())


def together(spans: Spans, services: Sequence[str]) -> tuple[Span, ...]:
    """Return the spans in which all of these services were stuck at once, in the order of time; none if there are no services."""
    found = []
    for start in sorted((span for service in services for span in spans[service]), key=lambda span: span.from_s):
        covering = [next((span for span in spans[service] if span.covers(start.from_s)), None) for service in services]
        if all(covering):
            found.append(Span(start.from_s, min(span.to_s for span in covering if span), start.night_s))
    return tuple(found)


def is_stuck_at_end(journal: Journal, spans: Spans, service: str) -> bool:
    """Whether a service was stuck in its last sample, and answered nothing in the closing window."""
    processes, window = lives(journal, service), journal.of(Observed)
    if not spans[service] or not window or spans[service][-1].to_s < processes[-1][-1].t_s:
        return False
    if any(at_s > spans[service][-1].to_s for at_s in ended_s(journal, service)):
        return False
    responses = (transaction.response for transaction in journal.transactions if transaction.request.caller == service)
    return not any(response.answered_s >= window[-1].since_s for response in responses if response)
