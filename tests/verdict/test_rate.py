from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.verdict.rate import interval_text, wilson


@pytest.mark.parametrize(("successes", "trials", "low", "high"), [(20, 20, 0.8389, 1.0), (0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634)])
def test_the_interval_is_wilsons(successes: int, trials: int, low: float, high: float) -> None:
    """Known values of the Wilson score interval at 95 %."""
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-4)


@given(st.integers(1, 500).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_the_interval_holds_the_rate(case: tuple[int, int]) -> None:
    """What was seen lies in what is likely."""
    low, high = wilson(*case)
    assert 0 <= low <= case[0] / case[1] <= high + 1e-12 <= 1 + 1e-9


@pytest.mark.parametrize("case", [(0, 0), (2, 1), (-1, 5)])
def test_no_trials_give_no_rate(case: tuple[int, int]) -> None:
    """A rate of nothing is refused."""
    with pytest.raises(ValueError, match="no rate"):
        wilson(*case)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ((0, 36), "up to 10 %"),
        ((36, 36), "at least 90 %"),
        ((3, 36), "2 to 22 %"),
        ((1, 1), "at least 20 %"),
        ((199, 200), "at least 97 %"),
    ],
    ids=str,
)
def test_an_interval_is_rounded_outwards(case: tuple[int, int], text: str) -> None:
    """What was rounded away would be claimed without being known."""
    assert interval_text(*wilson(*case)) == text


def test_an_interval_that_says_nothing_is_given_as_such() -> None:
    """Anything may be."""
    assert interval_text(0.0, 1.0) == "0 to 100 %"
