from __future__ import annotations

from pathlib import Path

import pytest

import testbed
from testbed.journal.events import FaultOver, Healed, OperationEvent
from testbed.verdict.finding import Verdict

CASE = Path(__file__).parents[1] / "tests" / "cases" / "restart_the_stopped.toml"
TIMES = 3


@pytest.mark.fact("A4", "O9")
def test_a_stopped_server_that_is_restarted_ends_its_fault(tmp_path: Path) -> None:
    """Each time: its process and its queue are gone, so there is nothing to heal, and the night has a clear verdict."""
    results = testbed.replay(CASE, repetitions=TIMES, runs=tmp_path)
    assert len(results) == TIMES
    for result in results:
        journal = result.journal
        assert result.judgement.verdict is Verdict.HELD, [finding.text for finding in result.judgement.doubts]
        (over,) = journal.of(FaultOver)
        assert over.fault == "backlog_full"
        (heal,) = [event for event in journal.of(OperationEvent) if event.operation == "heal" and event.state == "end"]
        assert heal.detail.startswith("nothing is left to heal: backlog_full: the stopped process of cf-1 is gone")
        assert journal.of(Healed)[0].left == ()
