"""On how many hosts of the database pair the cluster served (C1)."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING

from testbed.journal.events import OperationEvent, Step
from testbed.verdict.finding import Finding, Verdict, held_if
from testbed.verdict.stuck_spans import APART_S, lives, told_late

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.journal.events import Sample
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

CHECK, FACTS = "served_by_hosts", ("C1",)
STOP, START = 1, 4  # of a switchover's five steps: they name the host that had the database, and the one that has it then


def check(journal: Journal, figures: Figures, expected: int) -> Finding:
    """Count the hosts on which every application server answered, while the database ran there; each switchover moves it.

    Unknown without a switchover that succeeded, which alone names the hosts; where a service was not seen; and where a server may have
    answered on a host, but between two samples of which one is of another host's time.
    """
    periods = _periods(journal)
    if not periods:
        return Finding(CHECK, Verdict.UNKNOWN, f"no switchover succeeded, so nothing says which host served; expected {expected}", FACTS)
    answered: defaultdict[tuple[str, str], int] = defaultdict(int)
    for host, from_s, to_s in periods:
        for server in journal.header.facility.application_servers:
            answered[host, server] += sum(_answered(life, from_s, to_s) for life in lives(journal, server))
    hosts = {host for host, _, _ in periods}
    served = [host for host in sorted(hosts) if all(count for (on, _), count in answered.items() if on == host)]
    counts = "; ".join(f"{server} on {host} {count}" for (host, server), count in answered.items())
    perhaps_on = {
        (host, server)
        for host, from_s, to_s in periods
        for server in journal.header.facility.application_servers
        if any(from_s < after_s and before_s < to_s for before_s, after_s in _uncounted(journal, server, periods, figures.evidence.stale))
    }
    doubted = [server for (host, server), count in answered.items() if not count and (host, server) in perhaps_on]
    text = f"operations answered: {counts}; every application server served on {', '.join(served) or 'no host'}, expected {expected}"
    if figures.evidence.unseen and len(served) < expected:
        return Finding(CHECK, Verdict.UNKNOWN, f"{text}; not seen: {', '.join(sorted(figures.evidence.unseen))}", FACTS)
    perhaps = [host for host in hosts if all(count or at in perhaps_on for at, count in answered.items() if at[0] == host)]
    if len(served) < len(perhaps) and len(served) <= expected <= len(perhaps):
        return Finding(CHECK, Verdict.UNKNOWN, f"{text}; not sampled often enough: {', '.join(sorted(set(doubted)))}", FACTS)
    return Finding(CHECK, held_if(len(served) == expected), text, FACTS)


def _periods(journal: Journal) -> list[tuple[str, float, float]]:
    """Return on which host the database ran, from when and until when (`t_s`), between the switchovers that succeeded."""
    moves = [event for event in journal.of(OperationEvent) if event.operation == "switchover"]
    ended = {event.id: event.t_s for event in moves if event.state == "end"}
    begun = {event.id: event.t_s for event in moves if event.state == "begin" and event.id in ended}
    names = {
        (step.id, step.number): step.step.rpartition(" ")[2]
        for step in journal.of(Step)
        if step.operation == "switchover" and step.state == "end"
    }
    moved = [id_ for id_ in sorted(ended, key=ended.__getitem__) if {(id_, STOP), (id_, START)} <= names.keys()]
    if not moved:
        return []
    hosts = [names[moved[0], STOP], *(names[id_, START] for id_ in moved)]
    starts = [float("-inf"), *(ended[id_] for id_ in moved)]
    ends = [*(begun[id_] for id_ in moved), float("inf")]
    return list(zip(hosts, starts, ends, strict=True))


def _uncounted(
    journal: Journal, server: str, periods: Sequence[tuple[str, float, float]], stale: Sequence[str]
) -> Iterator[tuple[float, float]]:
    """Yield the spans in which a server may have answered operations that belong to no period.

    They were counted between two samples that are not of one period; or not at all, after the last sample of a process. `stale`: the
    servers of which nobody looked after the last answer.
    """
    processes = lives(journal, server)
    for life, following in zip_longest(processes, processes[1:]):
        late = told_late(life)
        for before, after in pairwise(life):
            before_s = late.get(id(before), before).t_s
            within = any(from_s <= before_s and after.t_s <= to_s for _, from_s, to_s in periods)
            if not within and _count(after) > _count(before):
                yield before_s, after.t_s
        if following is not None and following[0].t_s - life[-1].t_s > APART_S:
            yield life[-1].t_s, following[0].t_s
        elif following is None and server in stale:
            yield life[-1].t_s, float("inf")


def _answered(life: Sequence[Sample], from_s: float, to_s: float) -> int:
    """Return how many operations a process answered between two times, as far as its samples tell."""
    counts = [(sample.t_s, _count(sample)) for sample in life]
    started = (counts[0][0], 0)
    return sum(later - earlier for (since_s, earlier), (t_s, later) in pairwise([started, *counts]) if from_s <= since_s and t_s <= to_s)


def _count(sample: Sample) -> int:
    return sum(count.answered for count in sample.results.values())
