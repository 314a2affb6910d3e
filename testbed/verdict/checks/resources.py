"""Whether the machine had enough for the facility: memory, processes and threads, descriptors, space on its disks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.events import OperationEvent, Response, Sample, Service, Shortage
from testbed.journal.header_settings import settings_of
from testbed.journal.shortages import LONGEST_LINE, shortage_in
from testbed.verdict import resource_series
from testbed.verdict.checks import longevity
from testbed.verdict.finding import Finding, Verdict
from testbed.verdict.stuck_spans import lives

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from testbed.journal.events import Resource
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

MOST = 3  # shortages that are named
NAMES: dict[Resource, str] = {
    "memory": "memory",
    "processes": "processes or threads, or memory for their stacks",
    "descriptors": "descriptors",
    "space": "space on a disk",
}
ANSWERS, MONITORING = "answers to passengers", "answers to the monitoring"
# What faults exhaust on purpose; journals that are older than `exhausts` do not say so.
EXHAUSTED_BY: dict[str, tuple[Resource, ...]] = {"disk_full": ("space",), "burst": ("descriptors",)}
# What the code of a service may use up by itself, where its resource usage was sampled and rises for good (S7).
SERIES: dict[Resource, resource_series.Kind] = {
    "memory": resource_series.MEMORY,
    "descriptors": resource_series.OPEN_FILES,
    "processes": resource_series.THREADS,
}


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that `of` lacked, on the journal's `t_s`, and the words that say so."""

    of: str
    resource: Resource
    t_s: float
    line: str
    count: int = 1


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Check that nothing failed because the machine had no more to give; unknown otherwise: on a larger machine it would not have.

    Logs say so, and so do the errors of answers and the last words of services that died. A log line that was lost had no space. What a
    fault of the timeline exhausts on purpose is no shortage, nor what the variant leaks.
    """
    fatal = [lack for lack in _merged(_lacks(journal)) if not _is_planned(journal, lack)]
    fatal = [lack for lack in fatal if not _is_leaked(journal, lack)] if fatal else []
    if not fatal:
        return Finding("resources", Verdict.HELD, "nothing failed for want of memory, processes, descriptors or space")
    named = [f"{NAMES[lack.resource]} (told by {lack.of}, {lack.count} times, as in: {lack.line})" for lack in fatal[:MOST]]
    more = f"; and {len(fatal) - MOST} more" if len(fatal) > MOST else ""
    advice = "give it more (see ulimit -a), or do less at a time"
    return Finding("resources", Verdict.UNKNOWN, f"the machine had not enough {'; '.join(named)}{more}; {advice}")


def _lacks(journal: Journal) -> Iterator[Lack]:
    for shortage in journal.of(Shortage):
        yield Lack(shortage.of, shortage.resource, shortage.t_s, shortage.line, shortage.lines)
    texts = [(ANSWERS, response.answered_s, response.error) for response in journal.of(Response)]
    texts += [(MONITORING, sample.t_s, sample.error) for sample in journal.of(Sample)]
    texts += [(event.service, event.t_s, line) for event in journal.of(Service) for line in event.detail.splitlines()]
    for of, t_s, text in texts:
        resource = shortage_in(text)
        if resource is not None:
            yield Lack(of, resource, t_s, text[:LONGEST_LINE])
    for server in journal.header.facility.application_servers:
        for samples in lives(journal, server):
            lost = [sample for sample in samples if sample.log is not None and sample.log.lost]
            if lost and lost[-1].log is not None:
                yield Lack(server, "space", lost[0].t_s, "log lines were lost", lost[-1].log.lost)


def _merged(lacks: Iterable[Lack]) -> list[Lack]:
    """Return the lacks of the same thing by the same part as one: its first, with the number of all."""
    merged: dict[tuple[str, Resource], Lack] = {}
    for lack in sorted(lacks, key=lambda lack: lack.t_s):
        key = lack.of, lack.resource
        first = merged.get(key, lack)
        merged[key] = Lack(lack.of, lack.resource, first.t_s, first.line, lack.count + (first.count if key in merged else 0))
    return list(merged.values())


def _is_planned(journal: Journal, lack: Lack) -> bool:
    """Whether a fault that exhausts this had begun, or the variant has a leak of it."""
    for begin in journal.of(OperationEvent):
        if begin.state == "begin" and begin.t_s <= lack.t_s and lack.resource in (begin.exhausts or EXHAUSTED_BY.get(begin.operation, ())):
            return True
    settings = settings_of(journal).application_server
    leaks = {"memory": settings.leak_memory_kib > 0, "descriptors": settings.leak_connection_every is not None}
    return lack.of in journal.header.facility.application_servers and leaks.get(lack.resource, False)


def _is_leaked(journal: Journal, lack: Lack) -> bool:
    """Whether what a service lacked is what it used more and more of."""
    kind = SERIES.get(lack.resource)
    return kind is not None and any(
        judged.slope.rises and (judged.series.kind, judged.series.of) == (kind, lack.of) for judged in longevity.judged(journal)
    )
