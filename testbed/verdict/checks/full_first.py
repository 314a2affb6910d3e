"""Which layer was used up first: a pool, or the request threads of a service; and how long its queues grew (S9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.clock import clock_text
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures

NOBODY, POOLS = "nobody", "pools"


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Compare the layer that was used up first after the first fault began with the expected one.

    A pool is when a thread waits for one of its connections, and a service when every request thread is at work. Unknown where a service
    was not seen. The text lists all of them in order, each service with its longest queue.
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
    return Finding("full_first", held_if(first == expected), text, ("S9",))
