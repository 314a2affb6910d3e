"""Whether a service died by itself, or failed inside itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Part, Response, Service
from testbed.journal.header_settings import settings_of
from testbed.plan.clock import clock_text
from testbed.verdict.changes import active_spans, restarts_by_hand
from testbed.verdict.finding import Finding, Verdict
from testbed.verdict.stuck_spans import lives

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

CANNOT_START = "exit code 3"  # of the service
HOW = {"died": "died", "stopped": "stood still"}
INTERNAL = "internal error: "  # as services answer with 500
# In the last lines of a Python process: a frame; the reason of `faulthandler`; and what is only the head of frames, or follows them.
FRAME, FATAL, HEADS = "  File ", "Fatal Python error", ("Traceback", "Thread", "Current thread", "Extension modules")


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Check that no service died by itself, or raised what it does not handle; unknown otherwise: no scenario plans what comes after.

    Nor may what they stand on have failed by itself: a database server, the fault proxy, and what else the facility has. Unknown also where
    the replay did not come to its end: what could not be seen any more may be why. A server that replaces itself, as a variant may have it,
    or that was restarted by hand, and cannot start because a fault stands in its way, does what it is meant to do.
    """
    failed = [event for event in figures.died if _could_not_start(journal, event)]
    own = journal.header.facility.application_servers if journal.header.service is not None else ()
    ended = [event for event in figures.died if event.service in own]  # somebody else's: what that costs is for its passengers to tell
    died = [event for event in figures.died if event not in failed and event not in ended]
    doubts = [f"{event.service} died at {clock_text(event.night_s)}: {_gist(event.detail)}" for event in died]
    doubts += [f"{part.part} {HOW[part.state]} at {clock_text(part.night_s)}: {_gist(part.detail)}" for part in journal.of(Part)]
    for service in figures.services:
        count = sum(max(sample.internal_errors or 0 for sample in samples) for samples in lives(journal, service))
        if count:
            doubts.append(f"{service} raised {count} exception{'' if count == 1 else 's'} that it does not handle")
    if doubts:
        told = [response.error for response in journal.of(Response) if INTERNAL in response.error]
        return Finding("services", Verdict.UNKNOWN, "; ".join([*doubts, *(f"as in: {text}" for text in told[:1])]))
    if journal.end is None or journal.end.reason != "complete":
        return Finding("services", Verdict.UNKNOWN, "no service died by itself as far as was seen, which is not to the end")
    if ended:
        how = "; ".join(f"{event.service} died at {clock_text(event.night_s)}: {_gist(event.detail)}" for event in ended)
        return Finding("services", Verdict.HELD, f"no service of the testbed's own died by itself; {how}")
    held = "".join(f"; {names} {how}, and could not start while a fault stood in its way" for how, names in _grouped(journal, failed))
    return Finding("services", Verdict.HELD, f"no service died by itself, or raised what it does not handle{held}")


def _grouped(journal: Journal, failed: list[Service]) -> list[tuple[str, str]]:
    """Return who started the servers that could not start, each with their names."""
    names: dict[str, dict[str, None]] = {}
    for event in failed:
        names.setdefault("was restarted by hand" if _is_restarted_by_hand(journal, event) else "replaced itself", {})[event.service] = None
    return [(how, ", ".join(each)) for how, each in names.items()]


def _could_not_start(journal: Journal, event: Service) -> bool:
    """Whether a server that replaces itself, or that was restarted by hand, ended because it could not start, while a fault was active."""
    is_server = event.service in journal.header.facility.application_servers
    return (
        is_server
        and (settings_of(journal).replaced_within_s > 0 or _is_restarted_by_hand(journal, event))
        and event.detail.startswith(CANNOT_START)
        and any(from_s < event.t_s <= to_s for from_s, to_s in active_spans(journal))
    )


def _is_restarted_by_hand(journal: Journal, event: Service) -> bool:
    """Whether a service died before it was ready again, after somebody had restarted it by hand."""
    changes = [change for change in journal.of(Service) if change.service == event.service]
    before = changes[: changes.index(event)]
    return (
        bool(before)
        and before[-1].state == "started"
        and any(begin.t_s <= before[-1].t_s and (end is None or before[-1].t_s <= end.t_s) for begin, end in restarts_by_hand(journal))
    )


def _gist(detail: str) -> str:
    """Return how a service ended, with its last words: of a traceback, or a dump of its threads, the line that says why."""
    ending, *lines = detail.splitlines() or [""]
    if not any(line.startswith(FRAME) for line in lines):
        return detail
    fatal = [line for line in lines if line.startswith(FATAL)]
    plain = [line for line in lines if line.strip() and not line.startswith((" ", *HEADS))]
    return "; ".join([ending, *(fatal or plain[-1:])])
