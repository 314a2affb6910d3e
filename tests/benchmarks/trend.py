"""Counts how often the trend test is right on made series: `python tests/benchmarks/trend.py [--series N] [--library]`.

Of each shape, so many series of 40 points over 8 hours, from seeds 0, 1, ... Printed is how many are accused of a rise, and, of straight
lines in noise, in how many of a hundred the interval has the true slope in it. What is noise alone has next to no threshold, so that
nothing but chance is asked; all else has one of 1 an hour. `--library` asks tests of pymannkendall as well, on the same points, at 99.9 %,
with Sen's interval by the test's own variance (trend-free pre-whitening has none of the series itself); `pip install pymannkendall` before.
Nothing here is a test.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
from dataclasses import dataclass
from itertools import combinations
from random import Random
from statistics import NormalDist, median
from typing import TYPE_CHECKING

from testbed.verdict.trend import INTERVAL, slope_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Judge = Callable[[Sequence[tuple[float, float]], float], tuple[float, float, bool]]  # the interval, and whether it is accused

POINTS, HOURS, TINY = 40, 8.0, 1e-6
CONFIDENT = 0.999  # what the tests of the library are asked for, as the one before was


def noise(seed: int, kept: float) -> list[float]:
    """Make noise with a standard deviation of 1, of which each value keeps a part of the one before; all of it: a random walk."""
    random, values = Random(seed), [0.0]
    values[0] = 0.0 if kept == 1 else random.gauss(0, 1)
    for _ in range(POINTS - 1):
        values.append(kept * values[-1] + random.gauss(0, 1 if kept == 1 else math.sqrt(1 - kept**2)))
    return values


def series(seed: int, kept: float, shape: Callable[[float], float]) -> list[tuple[float, float]]:
    """Make a series: a shape by the hour, and noise."""
    hours = [HOURS * number / POINTS for number in range(POINTS)]
    return [(hour, 50 + shape(hour) + value) for hour, value in zip(hours, noise(seed, kept), strict=True)]


def steps(count: int) -> Callable[[float], float]:
    """Return a shape that goes up by ten so many times."""
    return lambda hour: 10.0 * math.floor(hour / HOURS * (count + 1))


@dataclass(frozen=True)
class Line:
    """A shape that rises by so much an hour."""

    rise: float

    def __call__(self, hour: float) -> float:
        """Return its value at an hour."""
        return self.rise * hour


def warming(rise: Callable[[float], float]) -> Callable[[float], float]:
    """Return a shape as it is after four hours of warm-up."""
    return lambda hour: rise(4 + hour)


NOISES = {"independent": 0.0, "AR(1), 0.5": 0.5, "AR(1), 0.8": 0.8, "AR(1), 0.9": 0.9, "AR(1), 0.95": 0.95, "random walk": 1.0}
OTHERS: dict[str, tuple[Callable[[float], float], float, float]] = {  # shape, part of noise that is kept, threshold
    **{f"{count} steps up": (steps(count), 0.0, 1.0) for count in (1, 3, 5, 7, 9)},
    "a day's ups and downs": (lambda hour: 6 * math.sin(2 * math.pi * hour / HOURS), 0.0, 1.0),
    "the morning's ramp, and no more": (lambda hour: 6 * min(hour / 3, 1.0), 0.0, 1.0),
    "10 sqrt(t), after warm-up": (warming(lambda hour: 10 * math.sqrt(hour)), 0.0, 1.0),
    "20 log(t), after warm-up": (warming(lambda hour: 20 * math.log(hour)), 0.0, 1.0),
    **{f"{rise} times what matters, noise {kept}": (Line(rise), kept, 1.0) for rise in (0.5, 1.5, 2, 3, 4) for kept in (0.0, 0.8, 0.95)},
}


def ours(points: Sequence[tuple[float, float]], threshold: float) -> tuple[float, float, bool]:
    """Judge by this project's test."""
    slope = slope_of(points, threshold)
    assert slope is not None
    return slope.low, slope.high, slope.rises


def library(name: str, **options: int) -> Judge:
    """Return a judge by a test of pymannkendall, after a slope of the size of the threshold is subtracted."""
    tests = importlib.import_module("pymannkendall")  # no dependency: with numpy and scipy it is as large as all of them

    def judge(points: Sequence[tuple[float, float]], threshold: float) -> tuple[float, float, bool]:
        values = [value for _, value in points]
        hour = points[1][0] - points[0][0]
        test = getattr(tests, name)([value - threshold * at for at, value in points], **options)
        slopes = sorted((later - earlier) / (right - left) / hour for (left, earlier), (right, later) in combinations(enumerate(values), 2))
        reach = NormalDist().inv_cdf((1 + INTERVAL) / 2) * math.sqrt(max(0.0, test.var_s))
        lowest = min(max(0, round((len(slopes) - reach) / 2)), len(slopes) - 1)
        return slopes[lowest], slopes[-1 - lowest], bool(NormalDist().cdf(float(test.z)) >= CONFIDENT)

    return judge


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=2000, help="of each shape (default: 2000)")
    parser.add_argument("--library", action="store_true", help="the tests of pymannkendall as well")
    given = parser.parse_args()
    judges = {"testbed": ours}
    if given.library:
        judges |= {
            "mann-kendall": library("original_test"),
            "hamed-rao": library("hamed_rao_modification_test"),
            "yue-wang": library("yue_wang_modification_test"),
            "yue-wang, 1 lag": library("yue_wang_modification_test", lag=1),
            "pre-whitening": library("trend_free_pre_whitening_modification_test"),
        }
    shapes = {name: (Line(0.0), kept, TINY) for name, kept in NOISES.items()} | OTHERS
    for judge_name, judge in judges.items():
        sys.stdout.write(f"{judge_name}: {given.series} series of each shape\n")
        for name, (shape, kept, threshold) in shapes.items():
            told = [judge(series(seed, kept, shape), threshold) for seed in range(given.series)]
            accused = sum(is_accused for *_, is_accused in told)
            line = f"  {name:40} accused {accused:5} ({accused / len(told):.2%})"
            if isinstance(shape, Line):
                inside = sum(low <= shape.rise <= high for low, high, _ in told) / len(told)
                line += f"; true slope in {inside:.1%}, median width {median(high - low for low, high, _ in told):.2f}"
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
