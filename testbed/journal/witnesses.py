"""Whether the witnesses in a journal agree: monitoring, the load generator, and what was done. Pure functions.

Each function yields a sentence, with names, numbers and times, for what no replay writes. What is only odd is none of them.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from testbed.journal.events import (
    BY_HAND,
    ENDED,
    REFUSED,
    ClockFactor,
    Condition,
    Counts,
    FaultOver,
    Healed,
    HeartbeatCount,
    OperationEvent,
    Pressure,
    Request,
    Response,
    Sample,
    Service,
    Step,
    Threads,
)
from testbed.journal.header_settings import pool_limit, settings_of
from testbed.journal.thread_states import IDLE
from testbed.plan.conflicts import HEAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.journal.reader import Journal

IN_A_ROW = 3  # samples: the numbers of one are read one after the other, while the service goes on
BESIDE_S = 1.0  # between two looks at the same thing
SLACK_S = 0.05  # what a clock that is read twice may be apart
WRITTEN_WITHIN_S = 5.0  # on a busy machine, an answer is written into the journal so late at most
READ_LATE_S = 0.5  # between reading a number and taking its time
FASTER = 1.1  # nothing waits for a processor for longer than real time goes on


def stops(journal: Journal) -> Iterator[str]:
    """Services are stopped by what is being done."""
    done = _spans(journal)
    for event in journal.of(Service):
        if event.state == "stopped" and not any(from_s - SLACK_S <= event.t_s <= to_s + SLACK_S for from_s, to_s in done):
            yield f"{event.service} was stopped at {event.t_s:.3f} s, and nothing was being done then"
            return


def counts(journal: Journal) -> Iterator[str]:
    """What a process counts never falls, and the one that comes after it counts from 0."""
    replacing = _replacing(journal)
    by_service: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in journal.of(Sample):
        if sample.busy is not None:
            by_service[sample.service].append(sample)
    ends: defaultdict[str, list[float]] = defaultdict(list)
    for event in journal.of(Service):
        if event.state in ENDED:
            ends[event.service].append(event.t_s)
    for service, samples in by_service.items():
        for before, after in pairwise(samples):
            ended = any(before.t_s <= end_s <= after.t_s for end_s in ends[service])
            soon = after.t_s - before.t_s <= BESIDE_S  # in which no process has started and done as much again
            ended_between = any(before.t_s <= end_s < after.t_s for end_s in ends[service])
            if ended_between and soon and before.ended >= IN_A_ROW and _goes_on(before, after):
                yield f"{service} ended at {before.t_s:.3f} s or later, and goes on to count at {after.t_s:.3f} s as if it had not"
                return
            if not ended and service not in replacing and after.ended < before.ended:
                yield f"{service} had ended {before.ended} operations at {before.t_s:.3f} s, and {after.ended} at {after.t_s:.3f} s"
                return


def numbers(journal: Journal) -> Iterator[str]:
    """No count is below zero, and those of a pool fit each other."""
    facility = journal.header.facility
    limit, server = pool_limit(journal), settings_of(journal).application_server
    threads = facility.request_threads + (limit if server.gives_back_beside else 0) + server.asks_beside
    at_odds: defaultdict[str, int] = defaultdict(int)
    for sample in journal.of(Sample):
        pool = sample.pool
        told = [sample.busy, sample.waiting, sample.internal_errors]
        told += [] if pool is None else [pool.in_, pool.out, pool.waiting, pool.leaked]
        told += [count for result in sample.results.values() for count in (result.answered, result.failed)]
        if any(count is not None and count < 0 for count in told):
            yield f"{sample.service} told a number below zero at {sample.t_s:.3f} s"
            return
        if (sample.busy is None) is not (sample.request_threads is None):
            yield f"{sample.service} told only one of its request threads and those at work at {sample.t_s:.3f} s"
            return
        if pool is None or sample.busy is None:
            continue
        if pool.in_ + pool.out > limit or pool.leaked > pool.out:
            at_odds[sample.service] += 1
        elif pool.out - pool.leaked > max(0, sample.busy - pool.waiting) and not server.holds_while_waiting:
            at_odds[sample.service] += 1  # a connection that is out, and not leaked, is in the hands of a thread at work
        else:
            at_odds[sample.service] = 0
        if at_odds[sample.service] == IN_A_ROW:
            yield (
                f"{sample.service} has {pool.in_} connections in its pool and {pool.out} out of it, {pool.leaked} of them leaked, at "
                f"{sample.t_s:.3f} s, with {sample.busy} request threads at work, {pool.waiting} of which wait for one"
            )
            return
    for dump in journal.of(Threads):
        if any(group.count < 1 for group in dump.groups) or sum(group.count for group in dump.groups) > threads:
            yield f"a dump of {dump.service} at {dump.t_s:.3f} s has more or fewer threads than can be"
            return


def dumps(journal: Journal) -> Iterator[str]:
    """A service whose threads are all blocked in a dump has them at work in the samples around it."""
    threads = journal.header.facility.request_threads
    own = () if journal.header.service is None else journal.header.facility.application_servers
    for dump in journal.of(Threads):
        # A dump of somebody else's service may take every thread for a request thread, and more of them than its table says.
        if dump.service in own or sum(group.count for group in dump.groups if group.state != IDLE) < threads:
            continue
        from_s, to_s = dump.began_s - BESIDE_S, dump.t_s + BESIDE_S
        beside = [sample for sample in journal.of(Sample) if sample.service == dump.service and from_s <= sample.t_s <= to_s]
        told = [sample for sample in beside if sample.busy is not None]
        if len(told) >= IN_A_ROW and all(sample.busy is not None and sample.busy < threads for sample in told):
            yield f"{dump.service} had {threads} threads at work in a dump at {dump.t_s:.3f} s, and never so many around it"
            return


def refusals(journal: Journal) -> Iterator[str]:
    """At a service that is there, connections are not refused, nor is one healthy where they are."""
    gone = {event.service for event in journal.of(Service) if event.state in ENDED} | _replacing(journal)
    in_a_row: defaultdict[str, int] = defaultdict(int)
    for sample in journal.of(Sample):
        in_a_row[sample.service] = in_a_row[sample.service] + 1 if sample.error == REFUSED else 0
        if in_a_row[sample.service] < IN_A_ROW:
            continue
        if sample.health is True:
            yield f"{sample.service} was healthy at {sample.t_s:.3f} s, where connections to it were refused"
            return
        if sample.service not in gone:
            yield f"connections to {sample.service} were refused at {sample.t_s:.3f} s, and it had not ended"
            return


def written(journal: Journal) -> Iterator[str]:
    """Requests and answers are written soon after they were seen, and not before."""
    for request in journal.of(Request):
        if not -SLACK_S <= request.t_s - request.sent_s <= WRITTEN_WITHIN_S:
            yield f"request {request.id} was sent at {request.sent_s:.3f} s, and written at {request.t_s:.3f} s"
            return
    for response in journal.of(Response):
        if not -SLACK_S <= response.t_s - response.answered_s <= WRITTEN_WITHIN_S:
            yield f"response {response.id} came at {response.answered_s:.3f} s, and was written at {response.t_s:.3f} s"
            return
        if response.status is not None and not 100 <= response.status <= 599:  # noqa: PLR2004 - RFC 9110
            yield f"response {response.id} has the status {response.status}"
            return


def durations(journal: Journal) -> Iterator[str]:
    """What took so long ended so long after it began."""
    began: dict[tuple[int, int | None, str], float] = {}
    events: tuple[OperationEvent | Step, ...] = (*journal.of(OperationEvent), *journal.of(Step))
    for event in events:
        key = (event.id, event.number, event.step) if isinstance(event, Step) else (event.id, None, event.operation)
        if event.state == "begin":
            began[key] = event.t_s
        elif event.duration_s is not None and key in began:
            took_s = event.t_s - began[key]
            if abs(took_s - event.duration_s) > SLACK_S + took_s / 10:
                yield f"{key[2]} took {event.duration_s:.3f} s by its own word, and {took_s:.3f} s from its begin to its end"
                return


def pressure(journal: Journal) -> Iterator[str]:
    """Time goes on between two looks, and nothing waits for longer than it."""
    for before, after in pairwise(journal.of(Pressure)):
        if after.t_s <= before.t_s:
            yield f"two looks at how busy the machine was are both at {after.t_s:.3f} s"
            return
        if after.cpu_stalled_s - before.cpu_stalled_s > (after.t_s - before.t_s) * FASTER + READ_LATE_S:
            yield f"something waited for a processor for longer than time went on, at {after.t_s:.3f} s"
            return


def done(journal: Journal) -> Iterator[str]:
    """What was planned was done, what was done well had no step that failed, and what stays active was healed."""
    events = journal.of(OperationEvent)
    planned = journal.header.timeline
    begins = [event for event in events if event.state == "begin"]
    for begin in begins:
        unplanned = begin.by == "cluster" or begin.id > BY_HAND
        if planned and not unplanned and not (1 <= begin.id <= len(planned) and planned[begin.id - 1] == begin.operation):
            yield f"operation {begin.id} is {begin.operation}, which the header's timeline does not have at that place"
            return
    # A restart of several services, or a healing of several faults, goes on after one of them failed.
    failed = {(step.id, step.t_s) for step in journal.of(Step) if step.state == "failed"}
    for end in events:
        if end.state == "end" and any(id_ == end.id and t_s <= end.t_s for id_, t_s in failed):
            yield f"operation {end.id}, {end.operation}, ended well, and a step of it failed"
            return
    if journal.is_complete:
        yield from _undone(journal, begins)


def heartbeats(journal: Journal) -> Iterator[str]:
    """Counts of heartbeats never fall, and what the cluster ordered is a switchover of its own, after heartbeats were missed."""
    counted = journal.of(HeartbeatCount)
    for before, after in pairwise(counted):
        if after.received < before.received or after.missed < before.missed:
            yield f"fewer heartbeats were counted at {after.t_s:.3f} s than at {before.t_s:.3f} s"
            return
    for begin in journal.of(OperationEvent):
        if begin.by != "cluster" or begin.state != "begin":
            continue
        if begin.operation != "switchover" or begin.id <= len(journal.header.timeline):
            yield f"operation {begin.id}, {begin.operation}, is none that a cluster orders"
            return
        if not any(count.in_row and count.t_s <= begin.t_s for count in counted):
            yield f"the cluster ordered a switchover at {begin.t_s:.3f} s, and had missed no heartbeat before"
            return


def _undone(journal: Journal, begins: list[OperationEvent]) -> Iterator[str]:
    """Every step of the timeline began, unless its condition was not seen; what stays active was healed, and nothing else.

    A night that its trainer stopped for good is over before steps that were due later.
    """
    waited = [event.operation for event in journal.of(Condition) if not event.seen]
    stopped = [clock.factor for clock in journal.of(ClockFactor)][-1:] == [0.0]
    for number, word in enumerate(() if stopped else journal.header.timeline, start=1):
        if all(begin.id != number for begin in begins) and word not in waited:
            yield f"the timeline has {word} as its step {number}, which never began"
            return
    at_end = {word for event in journal.of(Healed) for word in event.faults}
    heals = [event for event in journal.of(OperationEvent) if event.operation == HEAL and event.state == "end"]
    named = {str(heal.arguments["of"]) for heal in begins if heal.operation == HEAL and heal.arguments.get("of")}
    for word in sorted((at_end | named) - {begin.operation for begin in begins}):
        yield f"{word} was healed, and had never begun"
        return
    ended = {(event.id, event.operation) for event in journal.of(OperationEvent) if event.state == "end"}
    over = {event.id: event.t_s for event in journal.of(FaultOver)}
    for begin in begins:
        if begin.id in over and over[begin.id] < begin.t_s:
            yield f"{begin.operation} was over at {over[begin.id]:.3f} s, before it began at {begin.t_s:.3f} s"
            return
        stays = begin.delays_s is None and (begin.id, begin.operation) in ended
        healed = any(heal.t_s > begin.t_s and f"{begin.operation}:" in heal.detail for heal in heals)
        if stays and not healed and begin.id not in over and begin.operation not in at_end:
            left = [text for event in journal.of(Healed) for text in event.left]
            if not any(text.startswith(begin.operation) for text in left):
                yield f"{begin.operation} stays active until it is healed, and nobody healed it"
                return


def _spans(journal: Journal) -> list[tuple[float, float]]:
    """Return from when to when each fault and operation was carried out, and the healing at the end."""
    events = journal.of(OperationEvent)
    spans = []
    for begin in events:
        if begin.state == "begin":
            ends = (event.t_s for event in events if event.id == begin.id and event.state != "begin")
            spans.append((begin.t_s, next(ends, float("inf"))))
    return spans


def _goes_on(before: Sample, after: Sample) -> bool:
    """Whether no count of the one is below that of the other."""
    zero = Counts(0, 0)
    later = {name: after.results.get(name, zero) for name in before.results}
    return all(later[name].answered >= was.answered and later[name].failed >= was.failed for name, was in before.results.items())


def _replacing(journal: Journal) -> frozenset[str]:
    """Return the application servers, if the variant has them replace themselves."""
    replaced = settings_of(journal).replaced_within_s > 0
    return frozenset(journal.header.facility.application_servers if replaced else ())
