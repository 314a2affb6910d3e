"""Whether a journal can be what a replay wrote: a pure function, which finds what contradicts itself.

A journal is evidence only as long as nobody cut it, edited it, or wrote into it twice. A killed run's journal has no end, and that
alone is no contradiction: it shows less, and what it shows is true.
"""

from __future__ import annotations

import datetime
import math
from collections import Counter
from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from testbed.journal import witnesses
from testbed.journal.events import (
    ENDED,
    FIRST_ERROR_STATUS,
    End,
    FaultOver,
    Healed,
    Observed,
    OperationEvent,
    Pressure,
    Request,
    Response,
    Sample,
    Service,
    Step,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from testbed.journal.reader import Journal

LONGEST_NIGHT_S = 3 * 86_400.0
CLOSES_EARLY_S = 1.0  # the closing window begins with the night's end, and some of the last requests are sent late
ROUNDING_S = 1e-6  # what arithmetic on times may lose
EARLY_S = 0.002  # an event loop's timer counts in milliseconds, and may fire so much too soon


def contradictions(journal: Journal) -> tuple[str, ...]:
    """Return a sentence, with names, ids and numbers, for each thing in a journal that no replay writes."""
    if not journal.events:
        return ("there is nothing in it but its header",)
    checks: tuple[Callable[[Journal], Iterator[str]], ...] = (
        _header,
        _times,
        _requests,
        _responses,
        _pressure,
        _samples,
        _breakers,
        _pairs,
        _end,
        _closing,
        witnesses.stops,
        witnesses.counts,
        witnesses.numbers,
        witnesses.dumps,
        witnesses.refusals,
        witnesses.written,
        witnesses.durations,
        witnesses.pressure,
        witnesses.done,
        witnesses.heartbeats,
    )
    return tuple(sentence for check in checks for sentence in check(journal))


def _header(journal: Journal) -> Iterator[str]:
    header = journal.header
    facility = header.facility
    names = (*facility.application_servers, *facility.callers)
    if not facility.application_servers or not facility.callers:
        yield "the header names no application server, or no caller"
    if len(set(names)) < len(names):
        yield "the header names a service twice"
    try:
        datetime.date.fromisoformat(header.night.date)
    except ValueError:
        yield f"the header's night is of {header.night.date!r}, which is no day"
    if not 0 <= header.night.from_s < header.night.to_s <= LONGEST_NIGHT_S:
        yield f"the header's night is from {header.night.from_s} s to {header.night.to_s} s"
    if header.repetition < 1 or header.seed < 0:
        yield f"the header says repetition {header.repetition}, seed {header.seed}"
    if header.trace.requests < 1:
        yield f"the header's trace has {header.trace.requests} requests"
    ready = {event.service for event in journal.of(Service) if event.state == "ready"}
    if journal.is_complete:
        yield from (f"{name} was never ready" for name in names if name not in ready)
    strangers = sorted({sample.service for sample in journal.of(Sample)} - set(names))
    yield from (f"there are samples of {name}, which the header does not name" for name in strangers)


def _times(journal: Journal) -> Iterator[str]:
    """Every time is a finite number, not before the replay began, and the night's clock never goes back while the real one goes on."""
    for event in journal.events:
        wrong = [name for name, value in _numbers(event) if not math.isfinite(value)]
        if wrong or event.t_s < 0:
            yield f"a time that cannot be: {event.event} with {wrong[0] if wrong else 't_s'} {getattr(event, wrong[0] if wrong else 't_s')}"
            return
    ordered = sorted(journal.events, key=lambda event: (event.t_s, event.night_s))
    for before, after in pairwise(ordered):
        if after.night_s < before.night_s - ROUNDING_S:
            yield (
                f"the night's clock goes back: {before.event} at t_s {before.t_s:.3f} is at {before.night_s:.1f} s of the night, "
                f"{after.event} at {after.t_s:.3f} at {after.night_s:.1f} s"
            )
            return


def _numbers(event: Any) -> Iterator[tuple[str, float]]:
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, float):
            yield field.name, value


def _requests(journal: Journal) -> Iterator[str]:
    header, requests = journal.header, journal.of(Request)
    yield from _twice("request", (request.id for request in requests))
    if len(requests) > header.trace.requests:
        yield f"{len(requests)} requests were sent, of a trace of {header.trace.requests}"
    strange = next((request.id for request in requests if not 1 <= request.id <= header.trace.requests), None)
    if strange is not None:
        yield f"request {strange} is in no trace of {header.trace.requests}"
    for request in requests:
        if request.transaction not in header.transactions.get(request.caller, {}):
            yield f"request {request.id} is a {request.transaction} of {request.caller}, which the header does not have"
            return
    for request in requests:
        due_s, taken_up_s, sent_s = request.due_s, request.taken_up_s, request.sent_s
        if not 0 <= due_s <= taken_up_s + EARLY_S or taken_up_s > sent_s + ROUNDING_S:
            yield f"request {request.id} was due at {due_s:.3f} s, taken up at {taken_up_s:.3f} s and sent at {sent_s:.3f} s"
            return


def _responses(journal: Journal) -> Iterator[str]:
    responses = journal.of(Response)
    yield from _twice("response", (response.id for response in responses))
    sent_s = {request.id: request.sent_s for request in journal.of(Request)}
    for response in responses:
        if response.id not in sent_s:
            yield f"response {response.id} answers no request"
            return
        if response.answered_s < sent_s[response.id] - ROUNDING_S:
            yield f"response {response.id} came at {response.answered_s:.3f} s, before its request was sent at {sent_s[response.id]:.3f} s"
            return
        if (response.ended == "answered") is not (response.status is not None and response.status < FIRST_ERROR_STATUS):
            yield f"response {response.id} says {response.ended}, with the status {response.status}"
            return


def _pressure(journal: Journal) -> Iterator[str]:
    """The time for which something has waited for a processor only grows."""
    for before, after in pairwise(journal.of(Pressure)):
        if after.cpu_stalled_s < before.cpu_stalled_s - ROUNDING_S:
            yield f"at {after.t_s:.3f} s something had waited {after.cpu_stalled_s:.3f} s for a processor, less than before"
            return


def _samples(journal: Journal) -> Iterator[str]:
    """Samples of a service come in the order of time, and their numbers fit the facility."""
    last: dict[str, float] = {}
    threads = journal.header.facility.request_threads
    for sample in journal.of(Sample):
        if sample.t_s <= (before_s := last.get(sample.service, -1.0)):
            yield f"a sample of {sample.service} at {sample.t_s:.3f} s comes after one at {before_s:.3f} s"
            return
        last[sample.service] = sample.t_s
        if journal.header.service is not None and sample.service in journal.header.facility.application_servers:
            continue  # what somebody else's service has, the facility does not say
        if sample.request_threads not in (None, threads) or (sample.busy or 0) > threads:
            yield f"{sample.service} has {sample.busy} of {sample.request_threads} request threads at work; the header says {threads}"
            return
        if sample.pool is not None and sample.pool.size != journal.header.facility.pool_size:
            yield f"{sample.service} has a pool of {sample.pool.size}; the header says {journal.header.facility.pool_size}"
            return


def _breakers(journal: Journal) -> Iterator[str]:
    """The counts of a circuit breaker never fall within a life of its process, and it opens only by a call that it let through."""
    ends = [(event.service, event.t_s) for event in journal.of(Service) if event.state in ENDED]
    last: dict[str, Sample] = {}
    for sample in journal.of(Sample):
        if sample.breaker is None:
            continue
        now, before = sample.breaker, last.get(sample.service)
        last[sample.service] = sample
        if now.opened > now.let_through:
            yield f"{sample.service} has a circuit breaker that opened {now.opened} times by {now.let_through} calls"
            return
        if before is None or before.breaker is None:
            continue
        replaced = any(service == sample.service and before.t_s <= t_s <= sample.t_s for service, t_s in ends)
        for name in ("opened", "let_through", "refused"):
            was, is_ = getattr(before.breaker, name), getattr(now, name)
            if is_ < was and not replaced:
                yield f"the circuit breaker of {sample.service} counted {was} {name} at {before.t_s:.3f} s, and {is_} at {sample.t_s:.3f} s"
                return


def _pairs(journal: Journal) -> Iterator[str]:
    """Each operation and step that ended had begun, once; in a complete journal each that began has ended."""
    complete = journal.is_complete
    operations = journal.of(OperationEvent)
    steps = journal.of(Step)
    yield from _unpaired([(f"operation {event.id}, {event.operation}", event) for event in operations], complete=complete)
    yield from _twice("the begin of operation", (event.id for event in operations if event.state == "begin"))
    # One operation may take the same step again, as a restart of several services does.
    known = {event.id for event in operations}
    for step in steps:
        if step.id not in known and step.id != 0:
            yield f"step {step.number} ({step.step}) belongs to operation {step.id}, which there is none of"
            return
    for over in journal.of(FaultOver):
        if over.id not in known:
            yield f"{over.fault} is over, which never began"
            return
    yield from _unpaired([(f"step {event.number} of operation {event.id}, {event.step}", event) for event in steps], complete=complete)


def _unpaired(named: Sequence[tuple[str, OperationEvent | Step]], *, complete: bool) -> Iterator[str]:
    open_: Counter[str] = Counter()
    began_s: dict[str, float] = {}
    for name, event in named:
        if event.state == "begin":
            open_[name] += 1
            began_s[name] = event.t_s
            continue
        if not open_[name]:
            yield f"{name} ended without having begun"
            return
        open_[name] -= 1
        if event.t_s < began_s[name]:
            yield f"{name} ended at {event.t_s:.3f} s, before it began at {began_s[name]:.3f} s"
            return
    left = [name for name, count in open_.items() if count]
    if complete and left:
        yield f"{left[0]} began and never ended"


def _end(journal: Journal) -> Iterator[str]:
    """There is one end at most, which is the last line, and nothing is later."""
    ends = journal.of(End)
    if len(ends) > 1:
        yield f"{len(ends)} ends"
    elif ends:
        if journal.events[-1] is not ends[0]:
            yield f"a line after the end: {journal.events[-1].event}"
        if journal.torn:
            yield "a part of a line after the end"
        latest = max(journal.events, key=lambda event: event.t_s)
        if latest.t_s > ends[0].t_s + ROUNDING_S:
            yield f"{latest.event} at {latest.t_s:.3f} s, after the end at {ends[0].t_s:.3f} s"


def _closing(journal: Journal) -> Iterator[str]:
    """A complete journal was observed, after the last request, and healed, once each."""
    if journal.end is None or not journal.is_complete:
        return
    for kind, word in ((Observed, "closing window"), (Healed, "healing at the end")):
        count = len(journal.of(kind))
        if count != 1:
            yield f"{count or 'no'} {word}{'s' if count > 1 else ''} in a journal that says it is complete"
    last_sent_s = max((request.sent_s for request in journal.of(Request)), default=0.0)
    for observed in journal.of(Observed):
        begins_late = observed.since_s >= last_sent_s - CLOSES_EARLY_S
        if not last_sent_s <= observed.until_s <= journal.end.t_s + ROUNDING_S or not begins_late or observed.since_s > observed.until_s:
            yield (
                f"a closing window from {observed.since_s:.3f} s to {observed.until_s:.3f} s, with the last request at {last_sent_s:.3f} s "
                f"and the end at {journal.end.t_s:.3f} s"
            )


def _twice(what: str, ids: Iterator[int]) -> Iterator[str]:
    doubled = [id_ for id_, count in Counter(ids).items() if count > 1]
    if doubled:
        yield f"{what} {doubled[0]} is there more than once" + (f", and {len(doubled) - 1} others" if len(doubled) > 1 else "")
