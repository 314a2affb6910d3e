"""What evidence a class kept: of what stood still, before a restart destroyed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.events import ENDED, EvidenceTaken, Sample, Service, Threads
from testbed.verdict.stuck_spans import ended_s
from testbed.verdict.thread_dumps import AFTER_S

if TYPE_CHECKING:
    from testbed.classroom.inquiry.examination import Examination
    from testbed.journal.reader import Journal
    from testbed.verdict.stuck_spans import Span


@dataclass(frozen=True, slots=True)
class Preserved:
    """The services whose threads were at risk, and those of them that were dumped; whether the whole evidence was taken in time.

    `at_risk`: those that stood still, or where none did and service stopped all the same, the application servers. `whole`: an event
    `evidence`, from when trouble began to when the first service was stopped; what is taken at the night's end counts for nobody. None
    where nothing was at risk.
    """

    at_risk: tuple[str, ...]
    dumped: tuple[str, ...]
    whole: EvidenceTaken | None


def of(examined: Examination) -> Preserved:
    """Return what was kept in a night that was examined."""
    journal, stop = examined.journal, examined.times.stop.at
    spans = {service: found for service, found in examined.judgement.figures.spans.items() if found}
    if not spans and stop is None:
        return Preserved((), (), None)
    from_s = min([*([] if stop is None else [stop.t_s]), *(span.from_s for found in spans.values() for span in found)])
    gone_s = min((event.t_s for event in journal.of(Service) if event.state in ENDED and event.t_s > from_s), default=float("inf"))
    at_risk = tuple(spans) or journal.header.facility.application_servers
    windows = {
        service: [(span.from_s, _until_s(journal, service, span)) for span in spans[service]] if spans else [(from_s, gone_s)]
        for service in at_risk
    }
    dumps = [dump for dump in journal.of(Threads) if not dump.error]
    dumped = (
        service
        for service in at_risk
        if any(dump.service == service and since_s <= dump.t_s <= until_s for dump in dumps for since_s, until_s in windows[service])
    )
    taken = (event for event in journal.of(EvidenceTaken) if not event.error and event.why != "end" and from_s <= event.t_s <= gone_s)
    return Preserved(at_risk, tuple(dumped), next(taken, None))


def _until_s(journal: Journal, service: str, span: Span) -> float:
    """Return until when a dump shows where a service stood still: its process's end, unless it was seen to get on before that."""
    end_s = min((at_s for at_s in ended_s(journal, service) if at_s > span.from_s), default=float("inf"))
    got_on = any(sample.service == service and sample.busy is not None and span.to_s < sample.t_s < end_s for sample in journal.of(Sample))
    return span.to_s + AFTER_S if got_on else end_s
