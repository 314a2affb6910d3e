"""What monitoring did not see: the times in which a service told no numbers. Pure functions of the journal.

What was not seen is unknown, never zero. Two things are told apart: nobody looked (no samples), and somebody looked and got no numbers.
A service that is down (nothing listens at its address) is seen: it has no threads and no connections. A server that replaces itself,
as a variant may have it, answers nothing meanwhile, and that is no silence either.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from testbed.journal.events import REFUSED, Observed, OperationEvent, Sample, Service
from testbed.journal.header_settings import settings_of
from testbed.plan.clock import clock_text
from testbed.verdict.changes import active_spans, first_change
from testbed.verdict.recovery import needs_facility
from testbed.verdict.stuck_spans import lives, samples_of, services, undecided

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.journal.reader import Journal

SILENT_S = 4.0  # real seconds without numbers that are too many, where somebody looked; busy machines were seen to take 1.8
UNSEEN_S = 6.0  # and where nobody did: one look may take 4 s, and on a busy machine the testbed is late with it, too
SELDOM_S = 3.0  # real seconds between samples, for half of the time: a look takes 2 s at a service that is silent, 0.1 at others
CLOSING_S = 2.0  # what was seen in the closing window must be of its last seconds; a slow look takes almost as long


@dataclass(frozen=True, slots=True)
class Silence:
    """A time in which a service that should have been up told no numbers; `looked`: samples were taken, with this `error` the last."""

    service: str
    from_s: float
    to_s: float
    night_s: float
    looked: bool
    error: str

    def __str__(self) -> str:
        how = (
            f"told no numbers for {self.to_s - self.from_s:.1f} s"
            if self.looked
            else f"was not looked at for {self.to_s - self.from_s:.1f} s"
        )
        return f"{self.service} {how} from {clock_text(self.night_s)} of the night" + (f" ({self.error})" if self.error else "")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What monitoring did not see: `silences`, and the services that told no numbers before the first change, or in the closing window.

    `silenced`: those of the latter that a fault holds silent to the end. Their numbers are not known, as the others' are not. `seldom`:
    the services that were looked at so seldom that one could have been stuck unseen between, with the median of the long gaps in seconds.
    `undecided`: those that stood still at the end, and were looked at too few times to be called stuck. `stale`: the application servers of
    which the last numbers are older than the last answer, and may have become others. `untold`: those that are somebody else's and tell
    neither threads nor connections: nobody can have missed what there is not.
    """

    silences: tuple[Silence, ...]
    not_before: tuple[str, ...]
    not_at_end: tuple[str, ...]
    silenced: tuple[str, ...]
    seldom: tuple[tuple[str, float], ...] = ()
    undecided: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()

    @property
    def unseen(self) -> frozenset[str]:
        """The services of which something at the begin, at the end, or for too long between is not known; or all of it."""
        seldom = (*self.not_before, *self.not_at_end, *self.undecided, *(silence.service for silence in self.silences))
        return frozenset((*seldom, *self.untold))


def of(journal: Journal) -> Evidence:
    """Return what monitoring did not see. A silence that an active fault explains is none: see `explained`."""
    change = first_change(journal)
    change_s = float("inf") if change is None else change.t_s
    windows = journal.of(Observed)
    until_s = windows[-1].until_s if windows else max((event.t_s for event in journal.events), default=0.0)
    replaced_within_s = settings_of(journal).replaced_within_s
    silences: list[Silence] = []
    not_before, not_at_end, untold = [], [], _untold(journal)
    for service in services(journal):
        if service in untold:
            continue
        told = [sample.t_s for sample in samples_of(journal, service) if is_told(journal, sample)]
        if not any(t_s < change_s for t_s in told):
            not_before.append(service)
        allowed_s = replaced_within_s if service in journal.header.facility.application_servers else 0.0
        if not any(t_s >= until_s - CLOSING_S - allowed_s for t_s in told):
            not_at_end.append(service)
        silences += (silence for silence in _silences(journal, service, SILENT_S + allowed_s) if not explained(journal, silence))
    silenced = (service for service in not_at_end if _is_silenced(journal, service, until_s))
    return Evidence(
        tuple(silences),
        tuple(not_before),
        tuple(not_at_end),
        tuple(silenced),
        tuple(_seldom(journal)),
        undecided(journal),
        stale(journal),
        untold,
    )


def tells(journal: Journal, word: str) -> bool:
    """Whether the application servers tell of their `threads`, or of their `pool`: those of the case do, and somebody else's may not."""
    return journal.header.service is None or word in journal.header.service.tells


def _untold(journal: Journal) -> tuple[str, ...]:
    """Return the application servers that tell no numbers at all, because they are somebody else's."""
    return () if tells(journal, "threads") or tells(journal, "pool") else journal.header.facility.application_servers


def stale(journal: Journal) -> tuple[str, ...]:
    """Return the application servers whose last numbers are older than the last answer to what needs them."""
    answers = (asked.response for asked in journal.transactions if needs_facility(journal, asked))
    answered_s = max((answer.answered_s for answer in answers if answer), default=0.0)
    last_s = {sample.service: sample.t_s for sample in sorted(journal.of(Sample), key=lambda each: each.t_s) if is_told(journal, sample)}
    untold = _untold(journal)
    servers = (server for server in journal.header.facility.application_servers if server not in untold)
    return tuple(server for server in servers if last_s.get(server, -1.0) < answered_s)


def _seldom(journal: Journal) -> Iterator[tuple[str, float]]:
    """Yield the services that were looked at less than once in `SELDOM_S` seconds for half of the time."""
    for service in (service for service in services(journal) if service not in _untold(journal)):
        gaps_s = [after.t_s - before.t_s for before, after in pairwise(samples_of(journal, service))]
        long_s = [gap_s for gap_s in gaps_s if gap_s > SELDOM_S]
        if sum(long_s) > sum(gaps_s) / 2:
            yield service, statistics.median(long_s)


def is_told(journal: Journal, sample: Sample) -> bool:
    """Whether a sample has all numbers that its service tells, or shows that it is down."""
    if sample.error == REFUSED:
        return True
    if sample.service in journal.header.facility.callers:
        return sample.busy is not None
    known = (sample.busy is not None or not tells(journal, "threads"), sample.pool is not None or not tells(journal, "pool"))
    return all(known) and (sample.busy is not None or sample.pool is not None)


def _silences(journal: Journal, service: str, most_s: float) -> list[Silence]:
    """Return the times of more than `most_s` without numbers while the service was up: from `ready` to `stopped`, `died` or the end."""
    samples = samples_of(journal, service)
    told = [(sample.t_s, sample.night_s) for sample in samples if is_told(journal, sample)]
    replaced_s = [processes[0].t_s for processes in lives(journal, service)[1:]]  # it was down before that, whoever started it again
    found = []
    for (from_s, night_s), (to_s, _) in ((a, b) for up in _ups(journal, service) for a, b in pairwise(_within(told, up))):
        if to_s - from_s <= most_s:  # most gaps; in a night of half an hour there are tens of thousands
            continue
        between = [sample for sample in samples if from_s < sample.t_s < to_s]
        if to_s - from_s <= most_s + (0.0 if between else UNSEEN_S - SILENT_S) or to_s in replaced_s:
            continue
        found.append(Silence(service, from_s, to_s, night_s, bool(between), between[-1].error if between else ""))
    return found


def _within(told: list[tuple[float, float]], up: tuple[tuple[float, float], tuple[float, float]]) -> list[tuple[float, float]]:
    (from_s, _), (to_s, _) = up
    return [up[0], *(at for at in told if from_s < at[0] < to_s), up[1]]


def _ups(journal: Journal, service: str) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Return the spans in which the service should have been up, each end on both clocks; all of a journal that does not tell."""
    changes = [event for event in journal.of(Service) if event.service == service]
    begin: tuple[float, float] | None = None
    spans = []
    if not changes and journal.events:
        first = min(journal.events, key=lambda event: event.t_s)
        begin = (first.t_s, first.night_s)
    for event in changes:
        if event.state == "started":
            continue
        if event.state == "ready":
            begin = begin or (event.t_s, event.night_s)
        elif begin is not None:
            spans.append((begin, (event.t_s, event.night_s)))
            begin = None
    if begin is not None:
        last = journal.of(Observed)[-1] if journal.of(Observed) else max(journal.events, key=lambda event: event.t_s)
        spans.append((begin, (last.t_s, last.night_s)))
    return spans


def explained(journal: Journal, silence: Silence) -> bool:
    """Whether somebody looked, and a fault was active that lasts until it is healed, so that the silence is what it does."""
    return silence.looked and any(from_s < silence.to_s and silence.from_s < to_s for from_s, to_s in active_spans(journal))


def _is_silenced(journal: Journal, service: str, until_s: float) -> bool:
    """Whether somebody looked at a service in the closing window, and a fault that was done to that very service was still active.

    Any fault is done to a server that replaces itself: it cannot come back before the fault is over.
    """
    looked = any(sample.t_s >= until_s - CLOSING_S for sample in samples_of(journal, service))
    replaced = service in journal.header.facility.application_servers and settings_of(journal).replaced_within_s > 0
    begins = {event.t_s for event in journal.of(OperationEvent) if event.state == "begin" and event.arguments.get("service") == service}
    return looked and any((replaced or from_s in begins) and to_s > until_s for from_s, to_s in active_spans(journal))
