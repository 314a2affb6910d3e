"""Whether a series rises for good: a test that is not fooled by noise, by a step, or by a number that comes and goes with the load.

The points are gathered into blocks of equal time, each at its medians, so that neighbours depend on each other less. The slope is Sen's
(1968): the median of the slopes between all pairs of blocks, with the interval that goes with it. Whether it rises is asked by the test
of Mann (1945) and Kendall (1975), of what is left when a rise that does not matter is taken away: so the question is not "is there any
slope", which a long enough series always answers with yes, but "is there more than matters". A step rises once, and between most pairs of
blocks there is then nothing: up to three of them are no slope here, a fourth begins to be one.
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
BLOCKS_NEEDED = 8  # of those, with points in them: fewer tell nothing
CONFIDENT = 0.999  # of each series; a facility has some forty, and one that is accused wrongly is one too many
INTERVAL = 0.95

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope per unit of time, with its interval of 95 % (`low` to `high`).

    `confidence`, 0 to 1: how sure it is, by the test's one-sided p-value, that the series rises by more than matters.
    """

    per_unit: float
    low: float
    high: float
    confidence: float

    @property
    def rises(self) -> bool:
        """Whether the series rises for good."""
        return self.confidence >= CONFIDENT


def slope(points: Sequence[Point], matters: float) -> Slope | None:
    """Give the slope of points (time, value), of which `matters` is the least slope that does; None when there are too few."""
    means = blocks(points)
    if len(means) < BLOCKS_NEEDED:
        return None
    slopes = sorted((later - earlier) / (to_t - from_t) for (from_t, earlier), (to_t, later) in combinations(means, 2))
    spread = _spread(len(means))
    reach = round(NormalDist().inv_cdf((1 + INTERVAL) / 2) * spread)
    lowest = max(0, (len(slopes) - reach) // 2)
    risen = sum((one > matters) - (one < matters) for one in slopes)  # Kendall's S of what is left
    normal = 0.0 if risen == 0 else (risen - (1 if risen > 0 else -1)) / spread
    return Slope(statistics.median(slopes), slopes[lowest], slopes[-1 - lowest], NormalDist().cdf(normal))


def blocks(points: Sequence[Point], count: int = BLOCKS) -> list[Point]:
    """Give the medians of time and value of so many spans of equal time, those without points left out."""
    if not points:
        return []
    from_t, to_t = min(points)[0], max(points)[0]
    edges = [from_t + (to_t - from_t) * number / count for number in range(count + 1)]
    gathered = [[one for one in points if low <= one[0] < high or one[0] == high == to_t] for low, high in pairwise(edges)]
    return [
        (statistics.median(t for t, _ in inside), statistics.median(value for _, value in inside))
        for inside in gathered
        if inside and to_t > from_t
    ]


def _spread(count: int) -> float:
    """Give the standard deviation of Kendall's S over so many blocks in no order."""
    return float((count * (count - 1) * (2 * count + 5) / 18) ** 0.5)
