"""How many switchovers the cluster ordered, and no operator (P2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import HeartbeatCount, OperationEvent
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: int) -> Finding:
    """Compare the number of them with the expected one; unknown where no heartbeat ever came, as nobody watched then."""
    counts = journal.of(HeartbeatCount)
    ordered = [event for event in journal.of(OperationEvent) if event.by == "cluster" and event.state == "begin"]
    text = f"the cluster ordered {len(ordered)} switchovers, expected {expected}"
    if not counts or not counts[-1].received:
        return Finding("cluster_switchovers", Verdict.UNKNOWN, f"{text}; no heartbeat was counted", ("P2",))
    last = counts[-1]
    came = f"{last.received} heartbeats came over the link {last.link}, {last.missed} missed"
    text = "; ".join([text, came, f"longest gap {last.longest_gap_s:.2f} s", *(event.reason for event in ordered)])
    return Finding("cluster_switchovers", held_if(len(ordered) == expected), text, ("P2",))
