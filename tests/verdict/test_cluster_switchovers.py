from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.journal import witnesses
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
        night.events.append(replace(count(night, 4.0, received=received, missed=2), longest_gap_s=2.5))
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


def count(night: NightBuilder, t_s: float, *, received: int, missed: int, in_row: int = 0) -> HeartbeatCount:
    """Return a count of heartbeats at a time."""
    counts = {"received": received, "missed": missed, "in_row": in_row, "longest_gap_s": 1.0}
    return HeartbeatCount(**night.at(t_s), sender="db-1", watcher="db-2", link="heartbeats", **counts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("missed", "id_", "word", "wrong"),
    [
        ((0, 1), 2, "switchover", ""),
        ((0, 0), 2, "switchover", "and had missed no heartbeat before"),
        ((1, 0), 2, "switchover", "fewer heartbeats were counted at 1.500 s than at 1.000 s"),
        ((0, 1), 1, "switchover", "operation 1, switchover, is none that a cluster orders"),
        ((0, 1), 2, "restart", "operation 2, restart, is none that a cluster orders"),
    ],
)
def test_what_a_cluster_did_follows_from_what_it_missed(missed: tuple[int, int], id_: int, word: str, wrong: str) -> None:
    """A journal that says otherwise contradicts itself."""
    night = NightBuilder()
    night.events += [count(night, t_s, received=10, missed=number, in_row=number) for t_s, number in zip((1.0, 1.5), missed, strict=True)]
    night.events.append(OperationEvent(**night.at(2.0), operation=word, id=id_, state="begin", by="cluster"))
    night.end(3.0)
    found = list(witnesses.heartbeats(night.journal(timeline=("silence",))))
    assert (wrong in found[0], len(found)) == (True, 1) if wrong else found == []
