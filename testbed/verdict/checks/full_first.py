"""Which layer had every request thread at work first, and how long its queues grew (S9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.clock import clock_text
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

NOBODY = "nobody"


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Compare the layer of the service that was full first after the first fault began with the expected one.

    Unknown where a service was not seen. The text lists every service that was full, in order, with its longest queue.
    """
    full, queues = figures.full_since_night_s, figures.longest_queue
    first = next(iter(full), None)
    layer = NOBODY if first is None else "callers" if first in journal.header.facility.callers else "application_servers"
    services = [f"{service} at {clock_text(night_s)}, at most {queues[service]} requests waiting" for service, night_s in full.items()]
    text = f"every request thread at work: {'; '.join(services) or NOBODY}; first {layer}, expected {expected}"
    if figures.evidence.unseen:
        return Finding("full_first", Verdict.UNKNOWN, f"{text}; not seen: {', '.join(sorted(figures.evidence.unseen))}", ("S9",))
    return Finding("full_first", held_if(layer == expected), text, ("S9",))
