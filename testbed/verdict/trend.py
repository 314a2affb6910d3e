"""Whether a series rises for good: a trend test that noise, a step, or a number that follows the load do not mislead.

The points are grouped into blocks of equal time, each at its medians, so that neighbours depend on each other less. The slope is Sen's
(1968): the median of the slopes between all pairs of blocks, with its confidence interval. Whether it rises is decided by the test of
Mann (1945) and Kendall (1975), after a slope of the size of the threshold is subtracted: in a long enough series any slope is significant,
so the question is whether there is more than the threshold. A step rises once, and most pairs of blocks then have a slope of 0: up to three
steps are no slope here, a fourth begins to be one.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS = 12
BLOCKS_NEEDED = 8  # of those, with points in them
CONFIDENT = 0.999  # of each series: a facility has some forty, and none should be accused wrongly
INTERVAL = 0.95

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope per unit of time, with its interval of 95 % (`low` to `high`).

    `confidence`, 0 to 1: how certain it is, by the test's one-sided p-value, that the series rises by more than the threshold.
    """

    per_unit: float
    low: float
    high: float
    confidence: float

    @property
    def rises(self) -> bool:
        """Whether the series rises for good."""
        return self.confidence >= CONFIDENT


def slope_of(points: Sequence[Point], threshold: float) -> Slope | None:
    """Return the slope of points (time, value); `threshold` is the least slope that matters. None if there are too few points."""
    means = blocks(points)
    if len(means) < BLOCKS_NEEDED:
        return None
    slopes = sorted((later - earlier) / (to_t - from_t) for (from_t, earlier), (to_t, later) in combinations(means, 2))
    spread = _spread(len(means))
    reach = round(NormalDist().inv_cdf((1 + INTERVAL) / 2) * spread)
    lowest = max(0, (len(slopes) - reach) // 2)
    risen = sum((slope > threshold) - (slope < threshold) for slope in slopes)  # Kendall's S after the threshold is subtracted
    normal = 0.0 if risen == 0 else (risen - (1 if risen > 0 else -1)) / spread
    return Slope(statistics.median(slopes), slopes[lowest], slopes[-1 - lowest], NormalDist().cdf(normal))


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


def _spread(count: int) -> float:
    """Return the standard deviation of Kendall's S over `count` blocks in random order."""
    return float((count * (count - 1) * (2 * count + 5) / 18) ** 0.5)
