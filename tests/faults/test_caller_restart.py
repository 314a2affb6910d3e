from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file
from testbed.errors import FacilityError, ScenarioError
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.virtual_time import run
from testbed.faults.caller_restart import CallerRestart
from testbed.journal.events import Sample, Service
from tests import nights
from tests.faults.acting import SMALL, acting, steps_of
from tests.nights import flown

if TYPE_CHECKING:
    from pathlib import Path

RESTARTED = '[[timeline]]\nat = "05:05"\nfault = "caller_restart"\ncaller = "ivr"\n'


def test_a_caller_is_restarted_and_another_process_answers(tmp_path: Path) -> None:
    """Three steps; nothing is down afterwards, and nothing has to be healed."""
    builder = FakeBuilder(SMALL)

    async def restarting() -> None:
        async with acting(tmp_path, builder) as actions:
            assert (await actions.inject(CallerRestart())).startswith("kiosk was restarted: ")
            assert (actions.facility.active, actions.facility.down) == ([], set())

    run(restarting())
    assert steps_of(tmp_path) == [
        (1, "restart kiosk", "end"),
        (2, "wait until it is ready", "end"),
        (3, "verify that another process of kiosk answers", "end"),
    ]
    assert [call for call, name in builder.runtime.calls if name == "kiosk"] == ["start", "kill", "start"]


def test_a_caller_that_is_still_the_same_process_was_not_restarted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault has failed, and says what was seen."""
    builder = FakeBuilder(SMALL)

    async def same(_: str) -> int:
        return 7

    async def restarting() -> None:
        async with acting(tmp_path, builder) as actions:
            monkeypatch.setattr(type(builder.runtime), "pid", lambda _, name: same(name))
            with pytest.raises(
                FacilityError, match="expected another process of kiosk than 7 to answer; saw: process 7, a probe connected"
            ):
                await actions.inject(CallerRestart())

    run(restarting())


def test_a_caller_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    """By whoever orders it by hand; in a file it is a mistake."""

    async def restarting() -> None:
        async with acting(tmp_path) as actions:
            with pytest.raises(FacilityError, match=r"^no caller cf-1; there are kiosk$"):
                await actions.inject(CallerRestart("cf-1"))

    run(restarting())
    with pytest.raises(ScenarioError, match=r"timeline\.0\.caller: found 'kisok', did you mean kiosk\?; allowed: kiosk, ivr, partner"):
        nights.scenario(tmp_path, RESTARTED.replace("ivr", "kisok"))
    assert scenario_file.load(nights.scenario(tmp_path, RESTARTED).path).steps[0].word == "caller_restart"


def test_what_is_under_way_at_the_caller_is_lost_and_it_serves_again() -> None:
    """In a night on fakes whose callers hang: those that the killed process had get an error, and the new one answers its own."""
    journal = flown("original", nights.SWITCHOVER + RESTARTED)
    stopped = [event.t_s for event in journal.of(Service) if (event.service, event.state) == ("ivr", "stopped")]
    ready = [event.t_s for event in journal.of(Service) if (event.service, event.state) == ("ivr", "ready")]
    assert len(stopped) == 1
    lost = [
        transaction
        for transaction in journal.transactions
        if transaction.request.caller == "ivr" and transaction.response and transaction.response.t_s == pytest.approx(stopped[0], abs=0.01)
    ]
    assert {transaction.ended for transaction in lost} == {"failed"}
    after = [sample for sample in journal.of(Sample) if sample.service == "ivr" and sample.t_s > ready[-1]]
    assert after[0].health
