"""Which layer was used up first: a pool, or the request threads of a service; and how long its queues grew (S9)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from testbed.plan.clock import clock_text
from testbed.verdict import evidence, unseen_spans
from testbed.verdict.busyness import MACHINE_BUSY, stalled_s
from testbed.verdict.finding import Finding, Verdict, held_if
from testbed.verdict.stuck_spans import APART_S, samples_of

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

BUSY_S = 0.2  # of the second before the fault, without a processor free
NOBODY, POOLS = "nobody", "pools"


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Compare the layer that was used up first after the first fault began with the expected one.

    A pool is when a thread waits for one of its connections, and a service when every request thread is at work. Unknown where a service
    was not seen, or not often enough to say that none was used up before the first, or was used up already when the fault came. The text
    lists all of them in order, each service with its longest queue.
    """
    full, pools, queues = figures.full_since_night_s, figures.pool_used_up_since_night_s, figures.longest_queue
    used_up = [(night_s, POOLS, f"the pool of {server}") for server, night_s in pools.items()]
    for service, night_s in full.items():
        layer = "callers" if service in journal.header.facility.callers else "application_servers"
        used_up.append((night_s, layer, f"{service}, at most {queues[service]} requests waiting"))
    used_up.sort(key=lambda entry: entry[0])
    first = used_up[0][1] if used_up else NOBODY
    layers = "; ".join(f"{what} at {clock_text(night_s)}" for night_s, _, what in used_up)
    text = f"used up, in order: {layers or NOBODY}; first {first}, expected {expected}"
    if figures.evidence.unseen:
        return Finding("full_first", Verdict.UNKNOWN, f"{text}; not seen: {', '.join(sorted(figures.evidence.unseen))}", ("S9",))
    before = _used_up_before(journal, figures)
    if before:
        busy = figures.first_fault is not None and stalled_s(journal, figures.first_fault.t_s - 1.0, figures.first_fault.t_s) > BUSY_S
        text = f"{text}; used up before the fault came: {', '.join(before)}"
        return Finding("full_first", Verdict.UNKNOWN, text, ("S9",), code=MACHINE_BUSY if busy else "")
    perhaps = _perhaps_first(journal, figures, min((night_s for night_s, _, _ in used_up), default=float("inf")))
    doubt = {layer: what for layer, what in perhaps.items() if layer != first}
    if doubt and expected in (first, *doubt):
        text = f"{text}; not looked at often enough, and perhaps used up before: {', '.join(sorted(doubt.values()))}"
        return Finding("full_first", Verdict.UNKNOWN, text, ("S9",))
    return Finding("full_first", held_if(first == expected), text, ("S9",))


def _perhaps_first(journal: Journal, figures: Figures, first_night_s: float) -> dict[str, str]:
    """Return which layers may have been used up before the first that was seen to be, with one that may: between two looks far apart."""
    if figures.first_fault is None:
        return {}
    found: dict[str, str] = {}
    could = unseen_spans.most_waiting(journal)
    fault_s = figures.first_fault.t_s
    for service in figures.services:
        looks = [sample for sample in samples_of(journal, service) if evidence.is_told(journal, sample)]
        is_caller = service in journal.header.facility.callers
        for before, after in pairwise(looks):
            if after.t_s - before.t_s <= APART_S or after.t_s <= fault_s or before.night_s >= first_night_s:
                continue
            waiting = could(service, max(before.t_s, fault_s), after.t_s)
            if waiting >= journal.header.facility.request_threads:
                found.setdefault("callers" if is_caller else "application_servers", service)
            if not is_caller and waiting:
                found.setdefault(POOLS, f"the pool of {service}")
    return found


def _used_up_before(journal: Journal, figures: Figures) -> list[str]:
    """Return the services that had no request thread free in their last sample before the first fault."""
    if figures.first_fault is None:
        return []
    fault_s = figures.first_fault.t_s
    before = {service: [sample for sample in samples_of(journal, service) if sample.t_s < fault_s] for service in figures.services}
    return [service for service, samples in before.items() if samples and samples[-1].is_full]
