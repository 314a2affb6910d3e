from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.journal import reader
from testbed.journal.events import OperationEvent
from testbed.verdict import figures, judge, lateness
from testbed.verdict.checks import timeline
from testbed.verdict.finding import Verdict
from tests.journals import NightBuilder, contained_night

CASES = Path(__file__).parents[1] / "cases"


def late_begin(due_s: float, *, requests: int = 0) -> NightBuilder:
    """Write a night in which a switchover began at 2 s, and was due before; `requests` were due between."""
    night = NightBuilder()
    for t_s in (0.0, 1.0, 2.0, 3.0):
        night.look(t_s)
    night.switchover(2.0)
    night.events = [
        replace(event, due_s=due_s, due_night_s=night.at(due_s)["night_s"])
        if isinstance(event, OperationEvent) and event.state == "begin"
        else event
        for event in night.events
    ]
    for number in range(requests):
        night.request(1.9 + number / 100, "kiosk", "answered")
    night.end(3.0)
    return night


@pytest.mark.parametrize(("due_s", "requests", "verdict"), [(2.0, 3, Verdict.HELD), (1.0, 3, Verdict.UNKNOWN), (1.0, 0, Verdict.HELD)])
def test_a_step_that_began_late_is_told_and_doubted_where_passengers_came_meanwhile(due_s: float, requests: int, verdict: Verdict) -> None:
    """A second is 100 s of this night; with the step, the time of the night and the real seconds."""
    journal = late_begin(due_s, requests=requests).journal()
    found = timeline.check(journal, figures.of(journal), None)
    assert found.verdict is verdict
    late = f"switchover began at 22:03:20, 1 min 40 s of the night late (1.00 s; {requests} requests were due meanwhile)"
    assert (late in found.text) is (due_s < 2.0)


def test_a_step_during_which_the_night_went_faster_ended_late() -> None:
    """By as much of the night as went by beyond the pace at which it began."""
    night = contained_night()
    night.sample(1.01, "kiosk")
    faster = [
        replace(event, night_s=event.night_s + 20_000) if event.t_s > 1.05 else event  # the night leaps in the middle of the switchover
        for event in night.events
    ]
    night.events = faster
    (late,) = lateness.late(night.journal())
    assert (late.operation, late.what, late.late_night_s) == ("switchover", "ended", pytest.approx(20_000, abs=1))


def test_a_switchover_that_ran_into_the_quiet_hours_is_unknown_and_not_broken(tmp_path: Path) -> None:
    """On a busy machine its 0.86 s were five hours of the night; what was expected of another night was called broken."""
    path = tmp_path / "late_switchover.jsonl"
    path.write_bytes(gzip.decompress((CASES / "late_switchover.jsonl.gz").read_bytes()))
    judgement = judge.judge(reader.read(path))
    assert judgement.verdict is Verdict.UNKNOWN
    (doubt,) = [finding for finding in judgement.doubts if finding.check == "timeline"]
    assert "switchover ended at 04:25:19, 5 h 20 min of the night late (0.86 s; 52 requests were due meanwhile)" in doubt.text
