"""Why monitoring was green while service had stopped: from the health checks in the journal, and from what the health check asks.

What it asks are the settings `health_check` and `handshaking` of the application servers, which a journal has in its header. As they are,
`/health` answers from the event loop that the process is there, and asks neither the request threads nor the pool (C6, O8). A deeper check
waits for a request thread, or a connection of the pool, or the database; with `handshaking` it is red where all request threads stand
still, or all connections have leaked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.classroom.saying import say
from testbed.journal.events import OperationEvent, Sample
from testbed.journal.header_settings import settings_of
from testbed.verdict.changes import RESTART
from testbed.verdict.checks.health_green import for_want_of_a_processor

if TYPE_CHECKING:
    from testbed.classroom.inquiry.examination import Examination
    from testbed.classroom.saying import Told
    from testbed.plan.settings import ServerSettings

PROCESS_ONLY, ASKS_ELSEWHERE, OTHER_SYSTEM, RED, NO_STOP = "process_only", "asks_elsewhere", "other_system", "red", "no_stop"


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Why it was green, or that it was not, as a code (empty: that is not known), how that is told, and what was seen."""

    code: str
    text: Told
    evidence: tuple[Told, ...]


def of(examined: Examination) -> Monitoring:
    """Return what the health checks said while service had stopped, or while services stood still where it had not."""
    span_s = _trouble_s(examined)
    if span_s is None:
        if examined.has_stopped is None:
            return Monitoring("", say("stop_not_known"), (examined.times.stop.text,))
        return Monitoring(NO_STOP, say("no_stop"), (examined.times.stop.text,))
    looks = [sample for sample in examined.journal.of(Sample) if span_s[0] <= sample.t_s <= span_s[1]]
    told = [sample for sample in looks if sample.health or not for_want_of_a_processor(examined.journal, sample)]
    red = [sample for sample in told if not sample.health]
    counted = say("checks_green", green=len(told) - len(red), of=len(told))
    if not told:
        return Monitoring("", say("no_check_answered"), (say("no_check_seen"),))
    if red:
        first = say("first_red", service=red[0].service)
        return Monitoring(RED, say("not_green"), (counted, say("with", what=first, detail=red[0].error) if red[0].error else first))
    return _green(settings_of(examined.journal).application_server, counted)


def _green(server: ServerSettings, counted: Told) -> Monitoring:
    """Return why checks were green all the time, by what they ask: so all of that was well, or seemed so."""
    deeper = {
        "request_thread": say("check_asks_request_thread"),
        "pool": say("check_asks_pool"),
        "database": say("check_asks_database"),
    }.get(server.health_check)
    asked = tuple(told for told in (deeper, say("check_asks_threads") if server.handshaking else None) if told is not None)
    if not asked:
        return Monitoring(PROCESS_ONLY, say("asks_process_only"), (counted, say("check_asks_process")))
    if server.health_check == "database" and not server.handshaking:
        return Monitoring(OTHER_SYSTEM, say("asks_database"), (counted, *asked))
    return Monitoring(ASKS_ELSEWHERE, say("asks_elsewhere"), (counted, *asked))


def _trouble_s(examined: Examination) -> tuple[float, float] | None:
    """Return from when to when (`t_s`) health checks should have been red: from the stop, or the first standstill, to the next restart."""
    stop = examined.times.stop.at
    spans = [span for of_service in examined.judgement.figures.spans.values() for span in of_service]
    if stop is None and not spans:
        return None
    from_s, to_s = (min(span.from_s for span in spans), max(span.to_s for span in spans)) if stop is None else (stop.t_s, float("inf"))
    restarts = (event.t_s for event in examined.journal.of(OperationEvent) if event.operation == RESTART and event.state == "begin")
    return from_s, min([to_s, *(t_s for t_s in restarts if t_s >= from_s)])
