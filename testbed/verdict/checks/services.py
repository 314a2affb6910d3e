"""Whether a service died by itself, or failed inside itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Response
from testbed.plan.clock import clock_text
from testbed.verdict.finding import Finding, Verdict
from testbed.verdict.stuck_spans import lives

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

INTERNAL = "internal error: "  # as services answer with 500
# In the last lines of a Python process: a frame; the reason of `faulthandler`; and what is only the head of frames, or follows them.
FRAME, FATAL, HEADS = "  File ", "Fatal Python error", ("Traceback", "Thread", "Current thread", "Extension modules")


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Check that no service died by itself, or raised what it does not handle; unknown otherwise: no scenario plans what comes after.

    Unknown also where the replay did not come to its end: what could not be seen any more may be why.
    """
    doubts = [f"{event.service} died at {clock_text(event.night_s)}: {_gist(event.detail)}" for event in figures.died]
    for service in figures.services:
        count = sum(max(sample.internal_errors or 0 for sample in samples) for samples in lives(journal, service))
        if count:
            doubts.append(f"{service} raised {count} exception{'' if count == 1 else 's'} that it does not handle")
    if doubts:
        told = [response.error for response in journal.of(Response) if INTERNAL in response.error]
        return Finding("services", Verdict.UNKNOWN, "; ".join([*doubts, *(f"as in: {text}" for text in told[:1])]))
    if journal.end is None or journal.end.reason != "complete":
        return Finding("services", Verdict.UNKNOWN, "no service died by itself as far as was seen, which is not to the end")
    return Finding("services", Verdict.HELD, "no service died by itself, or raised what it does not handle")


def _gist(detail: str) -> str:
    """Return how a service ended, with its last words: of a traceback, or a dump of its threads, the line that says why."""
    ending, *lines = detail.splitlines() or [""]
    if not any(line.startswith(FRAME) for line in lines):
        return detail
    fatal = [line for line in lines if line.startswith(FATAL)]
    plain = [line for line in lines if line.strip() and not line.startswith((" ", *HEADS))]
    return "; ".join([ending, *(fatal or plain[-1:])])
