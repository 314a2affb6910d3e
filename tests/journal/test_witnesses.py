"""What a class orders beside the timeline is no contradiction; what the timeline has otherwise is one."""

from __future__ import annotations

import pytest

from testbed.journal import witnesses
from testbed.journal.events import BY_HAND, ClockFactor, Healed, OperationEvent
from tests.journals import NightBuilder


@pytest.mark.parametrize(
    ("id_", "word", "wrong"),
    [
        (1, "silence", ""),
        (BY_HAND + 1, "restart", ""),
        (BY_HAND + 2, "switchover", ""),
        (1, "restart", "operation 1 is restart, which the header's timeline does not have at that place"),
        (2, "restart", "operation 2 is restart, which the header's timeline does not have at that place"),
    ],
)
def test_a_class_orders_what_no_timeline_has(id_: int, word: str, wrong: str) -> None:
    """A restart by hand leaves the journal believable, and so the answers of the class certain."""
    night = NightBuilder()
    if id_ != 1:
        night.events.append(OperationEvent(**night.at(1.0), operation="silence", id=1, state="begin"))
    night.events.append(OperationEvent(**night.at(2.0), operation=word, id=id_, state="begin"))
    night.end(3.0, "interrupted")
    assert "".join(witnesses.done(night.journal(timeline=("silence",)))) == wrong


@pytest.mark.parametrize(("factor", "wrong"), [(0.0, ""), (1.0, "the timeline has heal as its step 2, which never began")])
def test_a_night_that_was_stopped_for_good_has_no_later_steps(factor: float, wrong: str) -> None:
    """Its trainer ended it while the fault was there: that is healed then, and the journal is as believable as any."""
    night = NightBuilder()
    night.events += [OperationEvent(**night.at(1.0), operation="silence", id=1, state=state) for state in ("begin", "end")]
    night.events.append(ClockFactor(**night.at(2.0), factor=factor))
    night.events.append(Healed(**night.at(3.0), faults=("silence",), left=()))
    night.end(3.0)
    assert "".join(witnesses.done(night.journal(timeline=("silence", "heal")))) == wrong
