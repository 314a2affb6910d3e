from __future__ import annotations

import pytest

from testbed.journal.events import HeartbeatCount, OperationEvent
from testbed.verdict import figures
from testbed.verdict.checks import cluster_switchovers
from testbed.verdict.finding import Finding, Verdict
from tests.journals import NightBuilder


def found(expected: int, *, ordered: int = 0, received: int | None = 100) -> Finding:
    """Return the finding of a night in which the cluster ordered so many switchovers, after so many heartbeats (None: no counts)."""
    night = NightBuilder()
    night.samples(1.0)
    for number in range(ordered):
        night.events.append(
            OperationEvent(**night.at(2.0), operation="switchover", id=number + 2, state="begin", by="cluster", reason="db-2 heard nothing")
        )
    night.events.append(OperationEvent(**night.at(3.0), operation="switchover", id=1, state="begin"))  # an operator's
    if received is not None:
        counts = {"received": received, "missed": 2, "in_row": 0, "longest_gap_s": 2.5}
        night.events.append(HeartbeatCount(**night.at(4.0), sender="db-1", watcher="db-2", link="heartbeats", **counts))  # type: ignore[arg-type]
    night.end(9.0)
    journal = night.journal()
    return cluster_switchovers.check(journal, figures.of(journal), expected)


@pytest.mark.fact("P2")
@pytest.mark.parametrize(
    ("expected", "ordered", "verdict"), [(0, 0, Verdict.HELD), (1, 1, Verdict.HELD), (0, 1, Verdict.BROKEN), (1, 0, Verdict.BROKEN)]
)
def test_only_what_the_cluster_ordered_counts(expected: int, ordered: int, verdict: Verdict) -> None:
    """An operator's switchover does not, and the text has the reason and the heartbeats."""
    finding = found(expected, ordered=ordered)
    assert finding.verdict is verdict
    assert "100 heartbeats came over the link heartbeats, 2 missed; longest gap 2.50 s" in finding.text
    assert ("db-2 heard nothing" in finding.text) is bool(ordered)


@pytest.mark.parametrize("received", [None, 0])
def test_where_nobody_watched_nothing_is_known(received: int | None) -> None:
    """No switchover is no proof of a good setting when no heartbeat ever came."""
    assert found(0, received=received).verdict is Verdict.UNKNOWN
