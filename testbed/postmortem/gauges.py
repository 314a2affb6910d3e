"""The alarms on what monitoring samples: health checks, pools, leaked connections and request threads."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from testbed.journal.header_settings import pool_limit
from testbed.plan.clock import clock_text
from testbed.postmortem.alarm import Alarm, Moment, Ring
from testbed.verdict.checks.health_green import for_want_of_a_processor
from testbed.verdict.evidence import is_told
from testbed.verdict.stuck_spans import samples_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from testbed.journal.events import Sample
    from testbed.journal.reader import Journal
    from testbed.postmortem.alarm import Watch
    from testbed.verdict.evidence import Evidence

    Text = Callable[[Sample], str]  # what an alarm says of a sample; empty: nothing

KINDS = ("application servers", "callers")  # of services
LOOK_S = 0.2  # real seconds before a sample that it tells something about


def gauges(watch: Watch, seen: Evidence) -> Iterator[Alarm]:
    """Yield an alarm for each thing that monitoring samples; `seen`: what it did not see."""
    facility, limit = watch.journal.header.facility, pool_limit(watch.journal)
    servers, kinds = facility.application_servers, (facility.application_servers, facility.callers)
    row, in_row = watch.rules.samples, f"in {watch.rules.samples} samples in a row"

    def alarm(code: str, what: str, rule: str, services: Sequence[str], text: Text, *, row: int = 0, health: bool = False) -> Alarm:
        rings = (ring for service in services for ring in _rings(watch, service, text, row))
        return watch.alarm(code, what, rule, rings, _unseen(watch, seen, services, health=health))

    for word, services in zip(KINDS, kinds, strict=True):
        red = partial(_red, watch.journal)
        yield alarm(f"health_{word.replace(' ', '_')}", f"the health check of the {word}", "one is red", services, red, health=True)
    low, empty = partial(_low, limit=limit, share=watch.rules.free_share), partial(_empty, limit=limit)
    rule = f"fewer than {watch.rules.free_share:.0%} of the connections are free, {in_row}"
    yield alarm("pool_low", "the pool gauge: few free", rule, servers, low, row=row)
    yield alarm("pool_empty", "the pool gauge: none free", f"none is free and a thread waits, {in_row}", servers, empty, row=row)
    yield alarm("pool_waiting", "threads that wait for a connection", f"there are any, {in_row}", servers, _waiting, row=row)
    yield alarm("leaked", "leaked connections", "there are any", servers, _leaked)
    for word, services in zip(KINDS, kinds, strict=True):
        rule, busy = f"at least {watch.rules.busy_share:.0%} of them are at work, {in_row}", partial(_busy, share=watch.rules.busy_share)
        yield alarm(f"busy_{word.replace(' ', '_')}", f"the request threads of the {word}", rule, services, busy, row=row)


def _red(journal: Journal, sample: Sample) -> str:
    if sample.health is not False or for_want_of_a_processor(journal, sample):
        return ""
    return f"{sample.service} was red" + (f" ({sample.error})" if sample.error else "")


def _low(sample: Sample, limit: float, share: float) -> str:
    if sample.pool is None or limit - sample.pool.out >= share * limit:
        return ""
    return f"{sample.service} had {max(0, limit - sample.pool.out):.0f} of {limit:.0f} free"


def _empty(sample: Sample, limit: float) -> str:
    if sample.pool is None or sample.pool.out < limit or not sample.pool.waiting:
        return ""
    return f"{sample.service} had none of {limit:.0f} free, and {sample.pool.waiting} waiting"


def _waiting(sample: Sample) -> str:
    return f"{sample.service} had {sample.pool.waiting} waiting" if sample.pool is not None and sample.pool.waiting else ""


def _leaked(sample: Sample) -> str:
    return f"{sample.service} had leaked {sample.pool.leaked}" if sample.pool is not None and sample.pool.leaked else ""


def _busy(sample: Sample, share: float) -> str:
    if sample.busy is None or not sample.request_threads or sample.busy < share * sample.request_threads:
        return ""
    return f"{sample.service} had {sample.busy} of {sample.request_threads} at work"


def _rings(watch: Watch, service: str, text: Text, row: int) -> Iterator[Ring]:
    """Yield each sample of a service with something to tell, or each that completes a row of so many; one without numbers ends no row.

    What must be seen in a row is a matter of speed, which may be the machine's; a red check, or a leak (`row` 0), is not.
    """
    in_row: list[Sample] = []
    rings: list[Ring] = []
    before_s = 0.0
    for sample in samples_of(watch.journal, service):
        told = text(sample)
        if told:
            in_row.append(sample)
        elif sample.busy is not None:
            yield from (replace(ring, until_s=sample.t_s) for ring in rings)
            in_row, rings, before_s = [], [], sample.t_s
        if told and len(in_row) >= row:
            slow_s = (max(before_s, in_row[-row].t_s - LOOK_S), sample.t_s) if row else None
            rings.append(Ring(Moment(sample.t_s, sample.night_s), told, slow_s))
    yield from (replace(ring, until_s=float("inf")) for ring in rings)


def _unanswered(watch: Watch, looks: Sequence[Sample]) -> Iterator[tuple[float, str]]:
    """Yield the health checks that had no answer only because no processor was free: they may have been red."""
    for sample in looks:
        after_fault = watch.fault is None or sample.t_s >= watch.fault.t_s
        if after_fault and sample.health is False and for_want_of_a_processor(watch.journal, sample):
            told = f"{sample.service} had no answer at {clock_text(sample.night_s)}, when the machine had no processor free"
            yield sample.t_s, told


def _unseen(watch: Watch, seen: Evidence, services: Sequence[str], *, health: bool) -> Iterator[tuple[float, str]]:
    """Yield what monitoring did not see of services, and from when on; for a health check a look without an answer is one, too."""
    journal = watch.journal
    for service in services:
        looks = samples_of(journal, service)
        if not looks:
            yield 0.0, f"{service} was never looked at"
            continue
        told = [sample.t_s for sample in looks if (sample.health is not None if health else is_told(journal, sample))]
        if not told:
            yield 0.0, f"{service} told {'no health' if health else 'no numbers'} all night"
            continue
        if health:
            yield from _unanswered(watch, looks)
        if watch.fault is not None and told[0] >= watch.fault.t_s:
            yield 0.0, f"{service} was not seen before the fault"
        if service in seen.not_at_end and not (health and service in seen.silenced):
            yield told[-1], f"{service} was not seen after {clock_text(watch.at(told[-1]).night_s)}"
    yield from ((0.0, f"{service} was looked at every {gap_s:.1f} s only") for service, gap_s in seen.seldom if service in services)
    for silence in seen.silences:
        if silence.service in services and not (health and silence.looked):
            yield silence.from_s, str(silence)
