from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from testbed.journal.stuck import STUCK_S, STUCK_SAMPLES, Standstill, follow
from tests.nights import sample

if TYPE_CHECKING:
    from testbed.journal.events import Sample


def followed(*samples: Sample) -> Standstill | None:
    """Return the standstill after samples, one after the other."""
    standstill: Standstill | None = None
    for look in samples:
        standstill = follow(standstill, look)
    return standstill


def full(count: int, every_s: float) -> list[Sample]:
    """Return `count` samples of a full service that answers nothing."""
    return [sample(number * every_s, busy=4) for number in range(count)]


def test_a_service_that_is_not_full_does_not_stand_still() -> None:
    """One free request thread is enough."""
    assert followed(sample(0.0, busy=3), sample(1.0, busy=3)) is None


@pytest.mark.parametrize("change", [{"done": 1}, {"failed": 1}])
def test_a_result_of_either_kind_ends_a_standstill(change: dict[str, int]) -> None:
    """What comes out, answer or error, begins another."""
    standstill = followed(*full(20, 0.1), sample(2.0, busy=4, **change))
    assert standstill is not None
    assert (standstill.first.t_s, standstill.samples, standstill.is_stuck) == (2.0, 1, False)


@pytest.mark.parametrize(
    ("count", "every_s", "stuck"),
    [(6, 0.1, True), (5, 0.1, False), (100, 0.004, False), (STUCK_SAMPLES, STUCK_S, True), (STUCK_SAMPLES - 1, 10.0, False)],
)
def test_it_takes_both_time_and_samples_to_be_stuck(count: int, every_s: float, *, stuck: bool) -> None:
    """A machine that stood still for ten seconds has few samples of them, and a burst of looks takes no time."""
    standstill = followed(*full(count, every_s))
    assert standstill is not None
    assert standstill.is_stuck is stuck


def test_a_look_that_went_unanswered_tells_nothing() -> None:
    """It neither ends the standstill nor lengthens it."""
    before = followed(*full(5, 0.1))
    assert follow(before, sample(9.0, busy=None)) is before
    assert follow(None, sample(9.0, busy=None)) is None


def test_it_does_not_matter_what_else_a_sample_says() -> None:
    """Health, pool and requests that wait are not asked."""
    standstill = followed(*(replace(look, health=False, waiting=place) for place, look in enumerate(full(6, 0.1))))
    assert standstill is not None
    assert standstill.is_stuck
