"""How sure it is that a cell got worse: exact tests of counts, and Holm's correction for many of them. Pure functions."""

from __future__ import annotations

from functools import cache
from math import comb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@cache
def fisher(before: int, of_before: int, now: int, of_now: int) -> float:
    """Return how likely it is that, of all that are worse, `now` or more fell among those of now, if nothing changed.

    This is Fisher's exact test of two proportions, one-sided: `before` of `of_before` replays were worse in the baseline, `now` of
    `of_now` are now. It is exact also where "worse" means: worse than the worst of the baseline, or than another of its order statistics,
    as by chance every order of all replays is as likely as another.
    """
    worse = before + now
    most = min(worse, of_now)
    ways = sum(comb(of_now, count) * comb(of_before, worse - count) for count in range(now, most + 1))
    return ways / comb(of_before + of_now, worse)


def sign(worse: int, better: int) -> float:
    """Return how likely it is that so many or more of the cells that changed got worse, if each was as likely to get better.

    This is the sign test, one-sided. A cell that was replayed once in the baseline and once now is as likely to look better as worse.
    """
    changed = worse + better
    ways: int = sum(comb(changed, count) for count in range(worse, changed + 1))
    return ways / (1 << changed)


def holm(chances: Sequence[float], tests: int, level: float) -> tuple[bool, ...]:
    """Return which of the chances are small enough that no more than `level` of all runs without a change have any such one.

    This is Holm's correction for `tests` tests; those whose chance is not given would have one of 1.
    """
    certain = [False] * len(chances)
    for rank, index in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        if chances[index] > level / (tests - rank):
            break
        certain[index] = True
    return tuple(certain)
