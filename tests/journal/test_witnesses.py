"""What a class orders beside the timeline is no contradiction; what the timeline has otherwise is one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.journal import witnesses
from testbed.journal.events import BY_HAND, ClockFactor, Healed, OperationEvent, PoolSample
from testbed.journal.thread_states import IDLE
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


@pytest.mark.parametrize(
    ("lookup", "contradicts"), [("original", True), ("nested", False), ("async_cancelled", False), ("dependency", False)]
)
def test_who_has_a_connection_waits_for_none_but_where_the_lookup_is_written_so(lookup: str, *, contradicts: bool) -> None:
    """Three samples in a row with four connections out, none leaked, and all four threads waiting."""
    night = NightBuilder()
    for number in range(witnesses.IN_A_ROW):
        night.sample(float(number), "cf-1", busy=4)
        night.events[-1] = replace(night.events[-1], pool=PoolSample(4, 0, 4, 4, 0))  # type: ignore[call-arg]
    found = "".join(witnesses.numbers(night.journal(settings={"application_server": {"lookup": lookup}})))
    assert found.startswith("cf-1 has 0 connections in its pool and 4 out of it" if contradicts else "")
    assert bool(found) is contradicts


@pytest.mark.parametrize(
    ("settings", "threads", "contradicts"),
    [
        ({"lookup": "original"}, 5, True),
        ({"lookup": "dependency"}, 8, False),
        ({"lookup": "dependency"}, 9, True),
        ({"health_check": "database"}, 5, False),
        ({"health_check": "database"}, 6, True),
        ({"health_check": "pool"}, 5, True),
    ],
)
def test_a_dump_has_no_more_threads_than_there_can_be(settings: dict[str, str], threads: int, *, contradicts: bool) -> None:
    """Four request threads; with a dependency of FastAPI's one for each connection that it gives back, and one that asks the database."""
    night = NightBuilder()
    night.dump(1.0, "cf-1", IDLE, count=threads)
    found = list(witnesses.numbers(night.journal(settings={"application_server": settings})))
    assert bool(found) is contradicts
