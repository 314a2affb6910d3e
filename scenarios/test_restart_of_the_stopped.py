from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from testbed import scenario_file
from testbed.experiments.batch import replay_once, runs_directory
from testbed.journal.events import FaultOver, Healed, OperationEvent
from testbed.plan import passengers
from testbed.runtime import backends
from testbed.verdict.finding import Verdict
from testbed.verdict.result import Result

CASE = Path(__file__).parents[1] / "tests" / "cases" / "restart_the_stopped.toml"
TIMES = 3


async def _results(runtime: str) -> list[Result]:
    plan = scenario_file.load(CASE)
    sent, directory = passengers.of(plan), runs_directory(None, plan.name)
    async with backends.of(runtime) as backend:
        results = []
        for number in range(TIMES):
            below = directory / str(number)
            below.mkdir()
            results.append(await replay_once(plan, sent, backend, below))
        return results


@pytest.mark.fact("A4", "O9")
def test_a_stopped_server_that_is_restarted_ends_its_fault() -> None:
    """Each time: its process and its queue are gone, so there is nothing to heal, and the night has a clear verdict."""
    for result in asyncio.run(_results("processes")):
        journal = result.journal
        assert result.judgement.verdict is Verdict.HELD, [finding.text for finding in result.judgement.doubts]
        (over,) = journal.of(FaultOver)
        assert over.fault == "backlog_full"
        (heal,) = [event for event in journal.of(OperationEvent) if event.operation == "heal" and event.state == "end"]
        assert heal.detail.startswith("nothing is left to heal: backlog_full: the stopped process of cf-1 is gone")
        assert journal.of(Healed)[0].left == ()
