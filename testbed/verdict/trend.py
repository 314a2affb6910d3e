"""Whether a series rises for good: a test of its steps that noise, a jump, a random walk, or a number that follows the load do not mislead.

The points are grouped into spans of equal time, each at its medians. What is tested are the steps from each span to the next, by
Student's t: whether they go up, and by how much. Memory and tables keep what they were, so the worst that they can be without a leak is a
random walk, whose steps do not depend on each other. The test is made for that. Noise that keeps less of itself takes its own steps back,
and the interval is then wider than it need be, never narrower.

The tests of Mann and Kendall, also with the variance of Hamed and Rao or of Yue and Wang, take values for independent, or nearly so, and
accuse a random walk in 20 to 40 of a hundred: tests/benchmarks/trend.py counts it.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from testbed.verdict import student

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS = 12
BLOCKS_NEEDED = 8  # of those, with points in them
CONFIDENT = 0.99  # that it rises at all, of each series, were it a random walk; of the forty of a facility few are
CONFIDENT_OF_MORE = 0.95  # that it rises by more than what matters
INTERVAL = 0.95

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope per unit of time, with an interval that has the true one in it with at least 95 % (`low` to `high`).

    `confidence`, 0 to 1: how certain it is, by the test's one-sided p-value, that the series rises at all; `of_more`, that it rises by more
    than `threshold`, the least slope that matters.
    """

    per_unit: float
    low: float
    high: float
    confidence: float
    of_more: float
    threshold: float

    @property
    def rises(self) -> bool:
        """Whether the series rises for good, and by more than what matters."""
        return self.confidence >= CONFIDENT and self.of_more >= CONFIDENT_OF_MORE

    @property
    def may_rise(self) -> bool:
        """Whether the series seems to rise by more than what matters, and is too restless to show it."""
        return self.per_unit > self.threshold and not self.rises

    @property
    def is_steady(self) -> bool:
        """Whether the series is shown not to rise by more than what matters; of a restless one, neither may be shown."""
        return self.high < self.threshold


def slope_of(points: Sequence[Point], threshold: float) -> Slope | None:
    """Return the slope of points (time, value); `threshold` is the least slope that matters. None if there are too few points."""
    medians = blocks(points)
    if len(medians) < BLOCKS_NEEDED:
        return None
    steps = [later - earlier for (_, earlier), (_, later) in pairwise(medians)]
    span = (medians[-1][0] - medians[0][0]) / len(steps)  # a slope is that of steps of equal time: no sample is awaited for so long
    step, degrees = statistics.fmean(steps), len(steps) - 1
    error = _widening(len(medians)) * statistics.stdev(steps) / math.sqrt(len(steps))
    reach = student.quantile((1 + INTERVAL) / 2, degrees) * error
    confidence, of_more = _confidence(step, error, degrees), _confidence(step - threshold * span, error, degrees)
    return Slope(step / span, (step - reach) / span, (step + reach) / span, confidence, of_more, threshold)


def blocks(points: Sequence[Point], count: int = BLOCKS) -> list[Point]:
    """Return the medians of time and value in each of `count` spans of equal time; spans without points are left out."""
    if not points:
        return []
    from_t, to_t = min(points)[0], max(points)[0]
    edges = [from_t + (to_t - from_t) * number / count for number in range(count + 1)]
    gathered = [[point for point in points if low <= point[0] < high or point[0] == high == to_t] for low, high in pairwise(edges)]
    return [
        (statistics.median(t for t, _ in inside), statistics.median(value for _, value in inside))
        for inside in gathered
        if inside and to_t > from_t
    ]


def _confidence(step: float, error: float, degrees: int) -> float:
    """Return the probability, by Student's t, of a mean step below this one if the true one were 0; without any spread, all or nothing."""
    if error == 0:
        return float(step > 0)
    return student.share_below(step / error, degrees)


def _widening(count: int) -> float:
    """Return by how much the medians of spans widen the error of their mean step, beside that of a random walk's own steps.

    Each two neighbouring steps share a span. A walk with steps of variance 1 from span to span has, averaged over spans, steps of variance
    2/3, and from the first of `count` averages to the last one of `count` - 4/3.
    """
    return math.sqrt((count - 4 / 3) / (2 / 3 * (count - 1)))
