from __future__ import annotations

from itertools import combinations
from math import comb

import pytest

from testbed.experiments.matrix.significance import fisher, holm, sign


@pytest.mark.parametrize(
    ("table", "chance"),
    [
        ((0, 5, 5, 5), 1 / 252),
        ((0, 5, 10, 10), 1 / 3003),
        ((1, 5, 20, 20), 21 / 53130),
        ((0, 4, 13, 14), 14 / 8568),
        ((3, 3, 0, 4), 1.0),
        ((1, 12, 9, 12), 0.0013797),  # dieting men and women, an example of many textbooks
    ],
)
def test_the_exact_test_has_the_chances_of_the_textbook(table: tuple[int, int, int, int], chance: float) -> None:
    """By counting the ways."""
    assert fisher(*table) == pytest.approx(chance, rel=0.02)


@pytest.mark.parametrize("rank", [1, 3, 5])
@pytest.mark.parametrize("now", [1, 4, 6])
def test_the_test_is_exact_where_worse_is_what_the_baseline_makes_it(rank: int, now: int) -> None:
    """Of all orders of five replays and six, as many have so many above the baseline's third as the test says."""
    orders = 0
    for places in combinations(range(11), 5):  # those of the baseline in the order of all
        limit = places[rank - 1]
        orders += sum(place > limit for place in range(11) if place not in places) >= now
    assert orders / comb(11, 5) == pytest.approx(fisher(5 - rank, 5, now, 6))


def test_what_changed_is_as_likely_better_as_worse() -> None:
    """Five cells that got worse and none that got better are one chance of 32; as many of each are nothing."""
    assert sign(5, 0) == 1 / 32
    assert sign(0, 0) == sign(0, 5) == 1.0
    assert sign(9, 1) == 11 / 1024
    assert sign(3, 3) > 0.5


def test_the_correction_is_by_all_tests_that_there_are() -> None:
    """The smallest chance by all of them, the next by one less, and none after one that is too large."""
    assert holm([0.001, 0.5, 0.0125], 5, 0.05) == (True, False, True)
    assert holm([0.001, 0.5, 0.0126], 5, 0.05) == (True, False, False)
    assert holm([0.011, 0.0125], 5, 0.05) == (False, False)
    assert holm([], 0, 0.05) == ()
