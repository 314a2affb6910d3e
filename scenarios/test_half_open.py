"""The half-open circuit breaker on real parts (S10): when its open time is over, one call goes through, not all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import testbed
from scenarios.replays import why_late
from testbed.journal.events import BreakerSample, OperationEvent, Sample

if TYPE_CHECKING:
    from testbed.journal.reader import Journal

CASE = Path(__file__).parents[1] / "tests" / "cases" / "half_open.toml"


def while_silent(journal: Journal, caller: str) -> list[BreakerSample]:
    """Return what a caller's breaker told from its first opening until the database was heard again."""
    healed_s = next(event.t_s for event in journal.of(OperationEvent) if event.operation == "heal")
    told = [(sample.t_s, sample.breaker) for sample in journal.of(Sample) if sample.service == caller]
    return [breaker for t_s, breaker in told if t_s < healed_s and breaker is not None and breaker.opened > 0]


@pytest.mark.fact("S10")
def test_when_the_open_time_is_over_one_call_goes_through(tmp_path: Path) -> None:
    """In six seconds of a silent database each breaker opens again and again, each time by one call that it let through.

    What is expected of the night is no crack below 4: ten calls of each caller hang before the first time-out can open a breaker, and
    these fill both servers.
    """
    (result,) = testbed.replay(CASE, runs=tmp_path)
    assert why_late(result) == ""
    for caller in ("kiosk", "ivr"):
        told = while_silent(result.journal, caller)
        first, last = told[0], told[-1]
        assert (first.state, first.opened) == ("open", 1)
        assert last.opened >= 2
        assert last.refused > 10
        for breaker in told:
            trials = breaker.let_through - first.let_through
            assert breaker.opened - 1 <= trials <= breaker.opened, breaker
    assert result.judgement.verdict.value == "held"
