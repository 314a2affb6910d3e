from __future__ import annotations

import pytest

from testbed.journal.events import BY_HAND, OperationEvent
from testbed.verdict import figures
from testbed.verdict.checks import timeline
from testbed.verdict.finding import Finding, Verdict
from tests.journals import NightBuilder


def found(word: str, *, moved_at_s: float | None, by: str = "cluster", number: int = 1) -> Finding:
    """Return the finding of a night in which an operation from 2 s to 5 s failed, and the database was moved at a time, if at all."""
    night = NightBuilder()
    night.samples(1.0)
    night.events.append(OperationEvent(**night.at(2.0), operation=word, id=number, state="begin"))
    if moved_at_s is not None:
        night.events.append(
            OperationEvent(**night.at(moved_at_s), operation="switchover", id=2, state="begin", by=by)  # type: ignore[arg-type]
        )
    night.events.append(OperationEvent(**night.at(5.0), operation=word, id=number, state="failed", detail="it ended"))
    night.events.sort(key=lambda event: event.t_s)  # type: ignore[attr-defined]
    night.end(9.0)
    journal = night.journal()
    return timeline.check(journal, figures.of(journal), None)


@pytest.mark.fact("C2", "P2")
def test_a_backup_under_which_the_cluster_moved_the_database_was_carried_out() -> None:
    """What became of it is what the facility did, and is told."""
    finding = found("backup", moved_at_s=3.0)
    assert finding.verdict is Verdict.HELD
    assert finding.text.endswith("; the backup of 2.0 s failed when the cluster moved the database under it")


@pytest.mark.parametrize(
    ("word", "moved_at_s", "by"),
    [("backup", None, "cluster"), ("backup", 6.0, "cluster"), ("backup", 3.0, "operator"), ("restart", 3.0, "cluster")],
)
def test_any_other_failure_leaves_the_timeline_unknown(word: str, moved_at_s: float | None, by: str) -> None:
    """Where nothing moved while it went on, where the timeline itself moved the database, and for what needs no database to end well."""
    assert found(word, moved_at_s=moved_at_s, by=by).verdict is Verdict.UNKNOWN


@pytest.mark.fact("O9")
def test_a_restart_by_hand_that_failed_is_told_and_leaves_nothing_unknown() -> None:
    """It is on no timeline; with its time of the night and its reason. Whatever else failed by hand was the timeline's."""
    finding = found("restart", moved_at_s=None, number=BY_HAND + 1)
    assert finding.verdict is Verdict.HELD
    assert finding.text.endswith("was carried out; a restart that was ordered by hand at 22:03:20 failed: it ended")
    assert found("restart", moved_at_s=None, number=BY_HAND).verdict is Verdict.UNKNOWN
    assert found("switchover", moved_at_s=None, number=BY_HAND + 1).verdict is Verdict.UNKNOWN
