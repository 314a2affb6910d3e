"""Student's t distribution, by mpmath: the only file that names it."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import mpmath


def share_below(t: float, degrees: int) -> float:
    """Return the probability, 0 to 1, that Student's t with so many degrees of freedom is below `t`."""
    tail = float(mpmath.fp.betainc(degrees / 2, 0.5, 0, degrees / (degrees + t * t), regularized=True)) / 2
    return 1 - tail if t > 0 else tail


@lru_cache
def quantile(share: float, degrees: int) -> float:
    """Return the value that Student's t with so many degrees of freedom, at least 3, is below with the probability `share`."""
    return float(mpmath.fp.findroot(lambda t: share_below(t, degrees) - share, NormalDist().inv_cdf(share)))
