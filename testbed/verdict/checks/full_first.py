"""Which layer was used up first: a pool, or the request threads of a service; and how long its queues grew (S9)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from testbed.journal.events import Observed
from testbed.plan.clock import clock_text
from testbed.verdict import evidence, unseen_spans
from testbed.verdict.busyness import MACHINE_BUSY, stalled_s
from testbed.verdict.finding import Finding, Verdict, held_if
from testbed.verdict.stuck_spans import APART_S, samples_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from testbed.journal.events import Sample
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

BUSY_S = 0.2  # of the second before the fault, without a processor free
NOBODY, POOLS = "nobody", "pools"
NEVER_S = float("inf")


@dataclass(frozen=True, slots=True)
class _Use:
    """Since when a pool or a service was used up for good (`since_s`), and since when it may have been (`from_s`); infinity: never.

    For good is for longer than `APART_S`. What was so for a shorter time may as well have been so unseen, between two looks.
    """

    layer: str
    what: str
    from_s: float
    since_s: float


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Compare the layer that was used up first after the first fault began with the expected one.

    A pool is when a thread waits for one of its connections, and a service when every request thread is at work; for longer than a moment,
    of which looks may see nothing. Unknown where a service was not seen, or not often enough to say that none was used up before the
    first, or was used up already when the fault came. The text lists all of them in order, each service with its longest queue.
    """
    full, pools, queues = figures.full_since_night_s, figures.pool_used_up_since_night_s, figures.longest_queue
    used_up = [(night_s, f"the pool of {server}") for server, night_s in pools.items()]
    used_up += [(night_s, f"{service}, at most {queues[service]} requests waiting") for service, night_s in full.items()]
    uses = tuple(_uses(journal, figures))
    first = min(uses, key=lambda use: use.since_s, default=None)
    first_s, layer = (NEVER_S, NOBODY) if first is None or first.since_s == NEVER_S else (first.since_s, first.layer)
    layers = "; ".join(f"{what} at {clock_text(night_s)}" for night_s, what in sorted(used_up, key=lambda entry: entry[0]))
    text = f"used up, in order: {layers or NOBODY}; first {layer}, expected {expected}"
    if figures.evidence.unseen:
        return Finding("full_first", Verdict.UNKNOWN, f"{text}; not seen: {', '.join(sorted(figures.evidence.unseen))}", ("S9",))
    before = _used_up_before(journal, figures)
    if before:
        busy = figures.first_fault is not None and stalled_s(journal, figures.first_fault.t_s - 1.0, figures.first_fault.t_s) > BUSY_S
        text = f"{text}; used up before the fault came: {', '.join(before)}"
        return Finding("full_first", Verdict.UNKNOWN, text, ("S9",), code=MACHINE_BUSY if busy else "")
    doubt = {use.layer: use.what for use in reversed(uses) if use.layer != layer and use.from_s < first_s}
    if doubt and expected in (layer, *doubt):
        text = f"{text}; perhaps used up before, for a moment or where nobody looked: {', '.join(sorted(doubt.values()))}"
        return Finding("full_first", Verdict.UNKNOWN, text, ("S9",))
    return Finding("full_first", held_if(layer == expected), text, ("S9",))


def _uses(journal: Journal, figures: Figures) -> Iterator[_Use]:
    """Yield when each service, and each pool, was used up after the first fault."""
    if figures.first_fault is None:
        return
    windows, threads, could = journal.of(Observed), journal.header.facility.request_threads, unseen_spans.most_waiting(journal)
    for service in figures.services:
        looks = [sample for sample in samples_of(journal, service) if evidence.is_told(journal, sample)]
        until_s = max((window.until_s for window in windows), default=0.0)
        seen = _Seen(looks, figures.first_fault.t_s, until_s, partial(could, service))
        if service in journal.header.facility.callers:
            yield seen.use("callers", service, threads, lambda sample: sample.is_full)
            continue
        yield seen.use("application_servers", service, threads, lambda sample: sample.is_full)
        yield seen.use(POOLS, f"the pool of {service}", 1, lambda sample: sample.pool is not None and sample.pool.waiting > 0)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The looks at a service that told its numbers, from when on they count, and until when there might have been others.

    `could`: how many requests it can have had at one time between two moments, at the most.
    """

    looks: Sequence[Sample]
    fault_s: float
    until_s: float
    could: Callable[[float, float], float]

    def use(self, layer: str, what: str, least: int, is_so: Callable[[Sample], bool]) -> _Use:
        """Return when something was used up, as looks show it (`is_so`); it takes as many requests as `least`."""
        return _Use(layer, what, self._from_s(least, is_so), self._since_s(is_so))

    def _from_s(self, least: int, is_so: Callable[[Sample], bool]) -> float:
        """Return since when it may have been so: after the look before the one that shows it, or in a long gap.

        A look may be told as late as the next one, so it is the look before that which counts.
        """
        for number, look in enumerate(self.looks):
            if look.t_s < self.fault_s:
                continue
            from_s = max(self.fault_s, self.looks[max(0, number - 2)].t_s)
            is_gap = number > 0 and look.t_s - self.looks[number - 1].t_s > APART_S
            if (is_gap or is_so(look)) and self.could(from_s, look.t_s) >= least:
                return from_s
            if is_so(look):
                return look.t_s
        from_s = max([self.fault_s, *(look.t_s for look in self.looks[-2:-1])])
        is_gap = bool(self.looks) and self.until_s - self.looks[-1].t_s > APART_S
        return from_s if is_gap and self.could(from_s, self.until_s) >= least else NEVER_S

    def _since_s(self, is_so: Callable[[Sample], bool]) -> float:
        """Return since when it was so for good, to within the sampling interval."""
        first: Sample | None = None
        for look in self.looks:
            if look.t_s < self.fault_s or not is_so(look):
                first = None
                continue
            first = look if first is None else first
            if look.t_s - first.t_s > APART_S:
                return first.t_s
        return NEVER_S


def _used_up_before(journal: Journal, figures: Figures) -> list[str]:
    """Return the services that had no request thread free in their last sample before the first fault."""
    if figures.first_fault is None:
        return []
    fault_s = figures.first_fault.t_s
    before = {service: [sample for sample in samples_of(journal, service) if sample.t_s < fault_s] for service in figures.services}
    return [service for service, samples in before.items() if samples and samples[-1].is_full]
