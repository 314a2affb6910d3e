"""How sure a count is: the interval of a rate, of which so many in so many were seen."""

from __future__ import annotations

import math

Z_95 = 1.959964  # of the standard normal distribution, two-sided 95 %


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate (E. B. Wilson, 1927), as shares from 0 to 1.

    Raises ValueError if there are no trials, or the successes are not between 0 and the trials.
    """
    if trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no rate: expected at least 1 trial and 0 to {trials} successes")
    rate, square = successes / trials, Z_95**2
    middle = (rate + square / (2 * trials)) / (1 + square / trials)
    half = Z_95 * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials**2)) / (1 + square / trials)
    # Rounding must not move the interval away from 0 and 1.
    return (middle - half if successes else 0.0), (middle + half if successes < trials else 1.0)


def range_text(low: float, high: float) -> str:
    """Format an interval of shares in whole percent, rounded outwards: `2 to 22 %`."""
    return f"{math.floor(100 * low)} to {math.ceil(100 * high)} %"


def interval_text(low: float, high: float) -> str:
    """Format an interval of shares as `range_text`, but `up to 10 %` or `at least 90 %` where it reaches 0 or 100."""
    least, most = math.floor(100 * low), math.ceil(100 * high)
    if most == 100 and least > 0:  # noqa: PLR2004 - of a hundred
        return f"at least {least} %"
    return f"up to {most} %" if least == 0 and most < 100 else range_text(low, high)  # noqa: PLR2004 - of a hundred
