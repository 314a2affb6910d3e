"""The figures of a journal, computed once for checks, report, JSON lines, repetition and matrix."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

from testbed.journal.events import REFUSED, OperationEvent, Sample, Service
from testbed.journal.header_settings import pool_limit, settings_of
from testbed.verdict import evidence, latency, lateness, stuck_spans, thread_dumps, unseen_spans
from testbed.verdict.changes import active_faults, first_fault
from testbed.verdict.recovery import RecoveryTime, needed_restart, recovery
from testbed.verdict.stuck_spans import lives, samples_of, services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from testbed.journal.events import BreakerSample, Header, Threads
    from testbed.journal.reader import Journal, Transaction
    from testbed.verdict.evidence import Evidence
    from testbed.verdict.latency import Latency
    from testbed.verdict.lateness import Late
    from testbed.verdict.stuck_spans import Span, Spans

Ends = dict[str, int]


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """The health checks of a service: how many there were, how many were green, and whether the last was (None: there was none)."""

    count: int
    green: int
    last: bool | None


@dataclass(frozen=True, slots=True)
class BreakerCounts:
    """What a caller's circuit breaker did in all processes of the caller: how often it opened, let a call through and refused one."""

    opened: int
    let_through: int
    refused: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a journal.

    `journal`: its path. `begins`, `operations`: the begin, and the end, well or not, of each fault and operation. `first_fault`: the begin
    of the first that changed something. `active_until_night_s`: by the id of each fault that stays active until it is healed, when that was
    (None: after the night). `spans`: when each service was stuck; `possible_spans`: when it may have been, as
    too little was seen of it; `hang`: the first span in which all callers were stuck; `stuck_at_end`: the
    callers that were stuck to the end. `quiet_night_s`: the longest time without a passenger after the first fault (start and length, in
    the night's seconds).
    `first_trouble`: the first transaction that failed or was never answered, and since when it was trouble (`trouble_night_s`);
    `first_unanswered_night_s`: since when the first of the latter was.

    `late`: what of the timeline came late in the night. `evidence`: what monitoring did not see.

    `pool_limit`: how many connections a pool may open, infinity without a limit. By application server: `leaked_connections` in its last
    sample with numbers (None: there is none, or it is not of the closing window), `most_leaked_connections` at once (None: there are no
    numbers), `failed_operations` after the first fault began (None, likewise). By service: `blocked_request_threads` in its last stuck
    sample (0 if there is none), `health`, in `dumps` the last thread dump of when it was stuck, `full_since_night_s` (when it first had
    every request thread at work after the first fault; left out if it never had) and `longest_queue` (the most requests that waited for a
    request thread at one time). `pool_used_up_since_night_s`: when a thread of an application server first waited for a connection after
    the first fault; left out if none ever did.

    `transactions`: counts by caller, transaction, `before` or `after` the first fault began (`before` only what had ended by then), and how
    it ended. `latency`: of each caller, `before` and `after` it.
    `breakers`: what the circuit breaker of each caller did, if the variant has them (None: monitoring never told of it).
    `time_to_hang_night_s`: from the end of the first fault's last step to the hang, or from its begin if the hang came before that end;
    None without a hang or without a fault before it. `recovery`: how long it took until every caller was served again. `needed_restart`:
    the first restart by hand that service needed, and the callers that were out of service then. `died`: the services that died by
    themselves.
    """

    header: Header
    journal: Path
    begins: tuple[OperationEvent, ...]
    operations: tuple[OperationEvent, ...]
    first_fault: OperationEvent | None
    active_until_night_s: Mapping[int, float | None]
    late: tuple[Late, ...]
    evidence: Evidence
    spans: Spans
    possible_spans: Spans
    hang: Span | None
    stuck_at_end: tuple[str, ...]
    quiet_night_s: tuple[float, float]
    first_trouble: tuple[Transaction, float] | None
    first_unanswered_night_s: float | None
    pool_limit: float
    leaked_connections: Mapping[str, int | None]
    most_leaked_connections: Mapping[str, int | None]
    failed_operations: Mapping[str, int | None]
    blocked_request_threads: Mapping[str, int]
    health: Mapping[str, HealthChecks]
    dumps: Mapping[str, Threads]
    full_since_night_s: Mapping[str, float]
    pool_used_up_since_night_s: Mapping[str, float]
    longest_queue: Mapping[str, int]
    transactions: Mapping[str, Mapping[str, Mapping[str, Ends]]]
    latency: Mapping[str, Mapping[str, Latency]]
    breakers: Mapping[str, BreakerCounts | None]
    time_to_hang_night_s: float | None
    recovery: RecoveryTime | None
    needed_restart: tuple[OperationEvent, tuple[str, ...]] | None
    died: tuple[Service, ...]

    def __repr__(self) -> str:
        """Return one line: the figures are too many for a prompt."""
        return f"<Figures: {self.header.scenario} over {self.header.variant}, of {str(self.journal)!r}>"

    @property
    def judged_half(self) -> str:
        """The transactions that a fault may have harmed: those `after` it, or all of them, which are `before` any, without a fault."""
        return latency.BEFORE if self.first_fault is None else latency.AFTER

    @property
    def services(self) -> tuple[str, ...]:
        """Every service that has request threads."""
        return tuple(self.spans)


def of(journal: Journal) -> Figures:
    """Return the figures of a journal."""
    spans = stuck_spans.find(journal)
    possible_spans = unseen_spans.find(journal, spans)
    samples = {service: samples_of(journal, service) for service in spans}
    fault = first_fault(journal)
    troubles = [(bad, trouble_night_s(bad, fault)) for bad in journal.transactions if bad.ended != "answered"]
    dumps = {service: thread_dumps.last_of(journal, service, spans[service]) for service in spans}
    callers = journal.header.facility.callers
    hang = next(iter(stuck_spans.together(spans, callers)), None)
    seen = evidence.of(journal)
    return Figures(
        header=journal.header,
        journal=journal.path,
        begins=tuple(event for event in journal.of(OperationEvent) if event.state == "begin"),
        operations=tuple(event for event in journal.of(OperationEvent) if event.state != "begin"),
        first_fault=fault,
        active_until_night_s={fault.begin.id: fault.end.night_s if fault.end else None for fault in active_faults(journal) if fault.lasts},
        late=lateness.late(journal),
        evidence=seen,
        spans=spans,
        possible_spans=possible_spans,
        hang=hang,
        stuck_at_end=tuple(caller for caller in callers if stuck_spans.is_stuck_at_end(journal, spans, caller)),
        quiet_night_s=_quiet_night_s(journal),
        first_trouble=min(troubles, key=itemgetter(1), default=None),
        first_unanswered_night_s=min((night_s for bad, night_s in troubles if bad.ended == "unanswered"), default=None),
        pool_limit=pool_limit(journal),
        leaked_connections=_leaked_connections(journal, seen),
        most_leaked_connections=_most_leaked_connections(journal),
        failed_operations=failed_operations(journal),
        blocked_request_threads={service: _blocked(samples[service], spans[service]) for service in spans},
        health={service: _health(samples[service]) for service in spans},
        dumps={service: dump for service, dump in dumps.items() if dump is not None},
        full_since_night_s=_since_night_s(journal, lambda sample: sample.is_full),
        pool_used_up_since_night_s=_since_night_s(journal, lambda sample: sample.pool is not None and sample.pool.waiting > 0),
        longest_queue={service: max((sample.waiting or 0 for sample in samples[service]), default=0) for service in spans},
        transactions=_transactions(journal),
        latency=latency.by_caller(journal),
        breakers=_breakers(journal),
        time_to_hang_night_s=_time_to_hang_night_s(journal, hang),
        recovery=recovery(journal),
        needed_restart=needed_restart(journal, spans),
        died=tuple(event for event in journal.of(Service) if event.state == "died"),
    )


def trouble_night_s(transaction: Transaction, fault: OperationEvent | None) -> float:
    """Return when a transaction that was not answered became trouble: when it failed, or nothing came of it, and was not to be yet.

    What was under way when the first fault came, and was never answered, was no trouble before it.
    """
    if transaction.response is not None:
        return transaction.response.night_s
    return transaction.request.night_s if fault is None else max(transaction.request.night_s, fault.night_s)


def _quiet_night_s(journal: Journal) -> tuple[float, float]:
    fault = first_fault(journal)
    since_s = journal.header.night.from_s if fault is None else fault.night_s
    times = [since_s, *sorted(night_s for transaction in journal.transactions if (night_s := transaction.request.night_s) > since_s)]
    length_s, start_s = max(((later - earlier, earlier) for earlier, later in pairwise(times)), default=(0.0, since_s))
    return start_s, length_s


def _leaked_connections(journal: Journal, seen: Evidence) -> dict[str, int | None]:
    leaked: dict[str, int | None] = {}
    for server in journal.header.facility.application_servers:
        told = [sample for sample in samples_of(journal, server) if evidence.is_told(journal, sample)]
        last = told[-1] if told and server not in seen.not_at_end else None
        leaked[server] = None if last is None else _leaked_in(last)
    return leaked


def _leaked_in(last: Sample) -> int | None:
    """Return the leaked connections of a sample; a server that is down has none, and one that does not tell of its pool may have any."""
    if last.pool is not None:
        return last.pool.leaked
    return 0 if last.error == REFUSED else None


def _most_leaked_connections(journal: Journal) -> dict[str, int | None]:
    """Return the most connections that were leaked in any sample: a restart gives them back."""
    return {
        server: max((sample.pool.leaked for sample in samples_of(journal, server) if sample.pool), default=None)
        for server in journal.header.facility.application_servers
    }


def failed_operations(journal: Journal, operation: str | None = None) -> dict[str, int | None]:
    """Return how many operations (of one kind, if named) failed after the first fault began, by application server; None: none was seen.

    A restarted process counts from 0; the counts of all processes of a server are added up.
    """
    fault = first_fault(journal)
    since_s = float("-inf") if fault is None else fault.t_s
    failed: dict[str, int | None] = {}
    for server in journal.header.facility.application_servers:
        processes = lives(journal, server)
        if journal.header.service is not None:  # nobody counts them
            failed[server] = None
            continue
        if not any(samples[-1].t_s >= since_s for samples in processes) and (fault is not None or not processes):
            failed[server] = None
            continue
        total = 0
        for samples in processes:
            counts = [
                (sample.t_s, sum(counts.failed for name, counts in sample.results.items() if operation in (None, name)))
                for sample in samples
            ]
            total += sum(later - earlier for (_, earlier), (t_s, later) in pairwise([(0.0, 0), *counts]) if t_s >= since_s)
        failed[server] = total
    return failed


def _blocked(samples: tuple[Sample, ...], spans: tuple[Span, ...]) -> int:
    busy = [sample.busy or 0 for sample in samples if spans and spans[-1].covers(sample.t_s)]
    return busy[-1] if busy else 0


def _health(samples: tuple[Sample, ...]) -> HealthChecks:
    checks = [sample.health for sample in samples if sample.health is not None]  # a service may have none
    return HealthChecks(len(checks), sum(checks), checks[-1] if checks else None)


def _since_night_s(journal: Journal, is_so: Callable[[Sample], bool]) -> dict[str, float]:
    """Return when something was first so of each service after the first fault, in order, to within the sampling interval."""
    fault = first_fault(journal)
    if fault is None:
        return {}
    since: dict[str, float] = {}
    for sample in sorted(journal.of(Sample), key=lambda sample: sample.t_s):
        if sample.t_s >= fault.t_s and is_so(sample) and sample.service in services(journal):
            since.setdefault(sample.service, sample.night_s)
    return since


def _transactions(journal: Journal) -> dict[str, dict[str, dict[str, Ends]]]:
    counts: dict[str, dict[str, dict[str, Counter[str]]]] = defaultdict(
        lambda: defaultdict(lambda: {"before": Counter(), "after": Counter()})
    )
    for transaction in journal.transactions:
        request = transaction.request
        counts[request.caller][request.transaction][latency.half(journal, transaction)][transaction.ended] += 1
    return {
        caller: {
            name: {when: {ended: ends[ended] for ended in ("answered", "failed", "unanswered")} for when, ends in halves.items()}
            for name, halves in by_name.items()
        }
        for caller, by_name in counts.items()
    }


def _breakers(journal: Journal) -> dict[str, BreakerCounts | None]:
    if settings_of(journal).caller.circuit_breaker_at is None:
        return {}
    counts: dict[str, BreakerCounts | None] = {}
    for caller in journal.header.facility.callers:
        told = [[sample.breaker for sample in process if sample.breaker] for process in lives(journal, caller)]
        last = [breakers[-1] for breakers in told if breakers]  # a restarted process counts from 0
        counts[caller] = total_of(last) if last else None
    return counts


def total_of(counts: Iterable[BreakerSample | BreakerCounts]) -> BreakerCounts:
    """Return what several circuit breakers did together."""
    told = [(breaker.opened, breaker.let_through, breaker.refused) for breaker in counts]
    return BreakerCounts(*(sum(numbers) for numbers in zip(*told, strict=True)))


def _time_to_hang_night_s(journal: Journal, hang: Span | None) -> float | None:
    fault = first_fault(journal)
    if fault is None or hang is None or hang.from_s < fault.t_s:
        return None
    end = next((event for event in journal.of(OperationEvent) if event.id == fault.id and event.state != "begin"), fault)
    return hang.night_s - (end if end.night_s <= hang.night_s else fault).night_s
