from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file
from testbed.errors import FacilityError
from testbed.journal.events import HeartbeatCount, OperationEvent, Step
from testbed.verdict import judge
from testbed.verdict.finding import Verdict
from tests.nights import SMALL, SWITCHOVER, Flight, scenario

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.reader import Journal

WATCHED = f"{SMALL}heartbeat_every_s = 1.0\n"
NEEDS = ("heartbeats", "links")
SILENT = '[[timeline]]\nat = "22:30"\nfault = "silence"\nlink = "heartbeats"\n'


def orders(journal: Journal) -> list[tuple[str, int, str, str]]:
    """Return each operation with who ordered it, in the order of the journal."""
    return [(event.operation, event.id, event.state, event.by) for event in journal.of(OperationEvent)]


@pytest.mark.fact("P2")
@pytest.mark.parametrize(
    ("name", "variant"),
    [("nervous_cluster", "nervous"), ("nervous_cluster", "patient"), ("shared_heartbeats", "shared"), ("shared_heartbeats", "apart")],
)
def test_a_night_of_heartbeats_comes_out_on_fakes_as_its_file_expects(tmp_path: Path, name: str, variant: str) -> None:
    """In virtual time: the wrong setting leads to a switchover that nobody ordered, and the right one to nothing."""
    plan = scenario_file.load(scenario_file.find(name))
    judgement = judge.judge(Flight(plan, variant, tmp_path).fly())
    assert [finding for finding in judgement.findings if finding.verdict is not Verdict.HELD] == []


@pytest.mark.fact("C2", "P2")
def test_a_takeover_is_a_switchover_by_the_cluster_with_its_five_steps_and_its_reason(tmp_path: Path) -> None:
    """Its number comes after those of the timeline, the journal is consistent, and it is told once: nobody is left who watches."""
    journal = Flight(scenario(tmp_path, SILENT, needs=NEEDS, facility=WATCHED), "fixed", tmp_path).fly()
    assert orders(journal) == [
        ("silence", 1, "begin", "operator"),
        ("silence", 1, "end", "operator"),
        ("switchover", 2, "begin", "cluster"),
        ("switchover", 2, "end", "cluster"),
    ]
    begin = next(event for event in journal.of(OperationEvent) if event.by == "cluster")
    assert begin.reason.startswith("db-2 heard nothing of db-1 for ")
    assert [step.number for step in journal.of(Step) if (step.operation, step.state) == ("switchover", "end")] == [1, 2, 3, 4, 5]
    last = journal.of(HeartbeatCount)[-1]
    assert (last.sender, last.missed, last.in_row) == ("db-1", 3, 3)
    assert {finding.check: finding.verdict for finding in judge.judge(journal).findings}["consistent"] is Verdict.HELD


def test_a_planned_switchover_is_no_loss_and_the_other_host_is_watched_afterwards(tmp_path: Path) -> None:
    """By the operator alone, although a single missed heartbeat would be enough."""
    nervous = "[variants.nervous.settings.facility]\nheartbeats_missed = 1\n[variants.nervous.expect]\noutcome = 'grounded'\n"
    plan = scenario(tmp_path, SWITCHOVER, needs=NEEDS, facility=WATCHED, variants=nervous)
    journal = Flight(plan, "nervous", tmp_path).fly()
    assert orders(journal) == [("switchover", 1, "begin", "operator"), ("switchover", 1, "end", "operator")]
    assert [count.sender for count in journal.of(HeartbeatCount)][:: len(journal.of(HeartbeatCount)) - 1] == ["db-1", "db-2"]


def test_a_takeover_that_fails_is_in_the_journal_and_the_night_goes_on(tmp_path: Path) -> None:
    """The array keeps a second server from starting, say; nobody tries again."""
    flight = Flight(scenario(tmp_path, SILENT, needs=NEEDS, facility=WATCHED), "fixed", tmp_path)
    flight.builder.database.broken = FacilityError("the array is in use")
    journal = flight.fly()
    assert orders(journal)[-1] == ("switchover", 2, "failed", "cluster")
    assert len(orders(journal)) == 4
    assert journal.is_complete


def test_a_facility_without_heartbeats_has_none_in_its_journal(tmp_path: Path) -> None:
    """The night of the case is as it was."""
    journal = Flight(scenario(tmp_path), "original", tmp_path).fly()
    assert not journal.of(HeartbeatCount)
    assert {event.by for event in journal.of(OperationEvent)} == {"operator"}
