from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.verdict import student
from testbed.verdict.trend import BLOCKS, BLOCKS_NEEDED, blocks, slope_of

if TYPE_CHECKING:
    from collections.abc import Callable

SERIES = 100  # of each shape, from seeds 0, 1, ...
POINTS = 40
HOURS = 8.0
THRESHOLD = 1.0  # an hour: over the eight hours 8, beside noise with a standard deviation of 1


def made(seed: int, rise: float, shape: Callable[[float], float], *, memory: float = 0.0) -> list[tuple[float, float]]:
    """Make a series: a shape, a rise by the hour, and noise, of which each value keeps a part (`memory`) of the one before.

    Noise that keeps all of it is a random walk.
    """
    random, points = Random(seed), []
    noise, fresh = (0.0, 1.0) if memory == 1 else (random.gauss(0, 1), math.sqrt(1 - memory**2))
    for number in range(POINTS):
        hour = HOURS * number / POINTS
        noise = memory * noise + fresh * random.gauss(0, 1)
        points.append((hour, 50 + rise * hour + shape(hour) + noise))
    return points


def accused(rise: float, shape: Callable[[float], float] = lambda _: 0.0, *, memory: float = 0.0) -> int:
    """Count how many of the series are said to rise for good."""
    slopes = (slope_of(made(seed, rise, shape, memory=memory), THRESHOLD) for seed in range(SERIES))
    return sum(slope is not None and slope.rises for slope in slopes)


def step(*at: float) -> Callable[[float], float]:
    """Return a shape that goes up by ten at each of some hours."""
    return lambda hour: 10.0 * sum(hour >= step_hour for step_hour in at)


STEADY: dict[str, tuple[Callable[[float], float], float]] = {
    "noise": (lambda _: 0.0, 0.0),
    "noise that keeps some of itself": (lambda _: 0.0, 0.8),
    "a step early": (step(1.5), 0.0),
    "a step in the middle": (step(4.0), 0.0),
    "a step late": (step(7.0), 0.0),
    "two steps": (step(2.7, 5.3), 0.0),
    "three steps": (step(2.0, 4.0, 6.0), 0.0),
    "a day's ups and downs": (lambda hour: 6 * math.sin(2 * math.pi * hour / HOURS), 0.0),
    "the morning's ramp, and no more": (lambda hour: 6 * min(hour / 3, 1.0), 0.0),
    "what warms up": (lambda hour: -12 * math.exp(-hour), 0.5),
    "the teeth of a saw": (lambda hour: 8 * (hour % 1.3), 0.0),
    "what falls": (lambda hour: -3 * hour, 0.0),
}


@pytest.mark.fact("S7")
@pytest.mark.parametrize(("shape", "memory"), STEADY.values(), ids=STEADY)
def test_what_is_steady_is_not_accused(shape: Callable[[float], float], memory: float) -> None:
    """None of 100 series of each shape that is no leak, whatever the noise."""
    assert accused(0.0, shape, memory=memory) == 0


@pytest.mark.fact("S7")
@pytest.mark.parametrize(
    ("rise", "memory", "least"),
    [(3.0, 0.0, 97), (2.0, 0.0, 50), (3.0, 0.8, 97), (2.0, 0.95, 93)],
    ids=["thrice", "twice", "thrice, in noise that lasts", "twice, in noise that drifts"],
)
def test_what_rises_by_more_than_matters_is_found(rise: float, memory: float, least: int) -> None:
    """Of 100 series nearly all, or half; the less the noise changes from one span to the next, the smaller a rise is found."""
    assert accused(rise, memory=memory) >= least


@pytest.mark.parametrize("rise", [0.25, 0.5, 0.75])
def test_what_rises_by_less_than_matters_is_not_accused(rise: float) -> None:
    """A slope that could be shown and is of no consequence is none."""
    assert accused(rise) <= 1


def test_a_leak_in_many_steps_is_one() -> None:
    """An allocator asks the system for memory a piece at a time; up to three pieces may be chance, nine are not."""
    assert accused(0.0, step(*(0.8 * number for number in range(1, 10)))) == SERIES


@pytest.mark.fact("S7")
@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8, 0.9, 0.95, 1.0], ids=lambda memory: "random walk" if memory == 1 else f"AR {memory}")
def test_the_interval_has_the_true_slope_in_it_however_long_noise_lasts(memory: float) -> None:
    """In at least 95 of a hundred, up to a random walk, and at most one in a hundred is said to rise."""
    slopes = [slope_of(made(seed, 0.0, lambda _: 0.0, memory=memory), 1e-6) for seed in range(300)]
    inside = sum(slope is not None and slope.low <= 0.0 <= slope.high for slope in slopes)
    assert inside >= 0.95 * len(slopes)
    assert sum(slope is not None and slope.rises for slope in slopes) <= 0.01 * len(slopes)


def test_a_restless_series_is_neither_shown_to_rise_nor_to_be_steady() -> None:
    """Its interval has the threshold in it."""
    slope = slope_of(made(0, THRESHOLD, lambda _: 0.0), THRESHOLD)
    assert slope is not None
    assert slope.low < THRESHOLD < slope.high
    assert not slope.rises
    assert not slope.is_steady


@given(st.floats(0.5, 0.9999), st.integers(3, 30))
def test_students_quantile_has_that_share_below_it(share: float, degrees: int) -> None:
    """One is the other's inverse."""
    assert student.share_below(student.quantile(share, degrees), degrees) == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize(("share", "degrees", "value"), [(0.975, 10, 2.2281), (0.999, 10, 4.1437), (0.975, 7, 2.3646)])
def test_students_quantiles_are_those_of_the_tables(share: float, degrees: int, value: float) -> None:
    """As any textbook prints them."""
    assert student.quantile(share, degrees) == pytest.approx(value, abs=5e-5)


def test_a_straight_line_has_its_own_slope_and_nearly_no_doubt() -> None:
    """Without noise the interval is a point."""
    slope = slope_of([(hour, 3.0 * hour) for hour in range(24)], 1.0)
    assert slope is not None
    assert (slope.per_unit, slope.low, slope.high) == pytest.approx((3.0, 3.0, 3.0))
    assert slope.confidence > 0.9999
    assert slope.rises


def test_what_never_moves_is_steady() -> None:
    """A number that is the same all night has the slope nought."""
    slope = slope_of([(hour, 7.0) for hour in range(24)], 0.5)
    assert slope is not None
    assert (slope.per_unit, slope.rises, slope.is_steady) == (0.0, False, True)


def test_too_few_points_have_no_slope() -> None:
    """No slope is better than one of a handful of points."""
    assert slope_of([], 1.0) is None
    assert slope_of([(1.0, 1.0)] * 20, 1.0) is None
    assert slope_of([(float(hour), float(hour)) for hour in range(BLOCKS_NEEDED - 1)], 0.1) is None


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-1e6, 1e6)), max_size=60))
def test_blocks_lie_within_what_they_are_of(points: list[tuple[float, float]]) -> None:
    """Each in its order, with a value between the least and the greatest."""
    gathered = blocks(points)
    assert len(gathered) <= BLOCKS
    assert gathered == sorted(gathered)
    for t, value in gathered:
        assert min(points)[0] <= t <= max(points)[0]
        assert min(number for _, number in points) <= value <= max(number for _, number in points)
