from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from testbed.plan.expectation import WHATEVER, Expectation
from testbed.verdict import share
from testbed.verdict.finding import Verdict

FOUR_OF_FIVE = Expectation(outcome=("contained",), at_least=4, of=5)
HELD, BROKEN, UNKNOWN = Verdict.HELD, Verdict.BROKEN, Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        ([HELD], HELD),
        ([BROKEN], UNKNOWN),
        ([UNKNOWN], UNKNOWN),
        ([HELD] * 3 + [BROKEN], UNKNOWN),
        ([HELD] * 4 + [BROKEN], HELD),
        ([HELD] * 4 + [UNKNOWN], HELD),
        ([HELD] * 3 + [UNKNOWN] * 2, UNKNOWN),
        ([HELD] * 3 + [BROKEN] * 2, BROKEN),
        ([BROKEN] * 2, BROKEN),
        ([HELD] * 16 + [BROKEN] * 4, HELD),
        ([HELD] * 15 + [BROKEN] * 5, BROKEN),
        ([HELD] * 15 + [BROKEN] * 4 + [UNKNOWN], UNKNOWN),
    ],
)
def test_a_share_holds_where_enough_replays_do(verdicts: list[Verdict], verdict: Verdict) -> None:
    """Four of five, or of more the same share; too few to tell are unknown."""
    assert share.verdict(FOUR_OF_FIVE, verdicts) is verdict


@pytest.mark.parametrize("worst", [HELD, UNKNOWN, BROKEN])
def test_without_a_share_the_worst_replay_counts(worst: Verdict) -> None:
    """One of twenty is enough."""
    expect = Expectation(outcome=("contained",))
    assert share.verdict(expect, [HELD] * 19 + [worst]) is worst
    assert share.text(expect, [HELD]) == ""


def test_a_share_says_what_was_counted() -> None:
    """The count, and what was asked."""
    assert share.text(FOUR_OF_FIVE, [HELD, BROKEN, HELD]) == "held in 2 of 3; expected in at least 4 of 5"


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"outcome": "contained", "at_least": 4}, "a share together"),
        ({"outcome": "contained", "of": 4}, "a share together"),
        ({"outcome": "contained", "at_least": 5, "of": 5}, "is no share"),
        ({"outcome": "contained", "at_least": 0, "of": 5}, "greater than or equal to 1"),
        ({"outcome": "contained", "at_least": 1, "of": 101}, "less than or equal to 100"),
    ],
)
def test_a_share_that_leaves_nothing_to_chance_is_refused(keys: dict[str, Any], why: str) -> None:
    """Both numbers, or neither; all of so many is no share."""
    with pytest.raises(ValidationError, match=why):
        Expectation.model_validate(keys)


@pytest.mark.parametrize(
    ("keys", "can_be"),
    [
        ({"outcome": WHATEVER.outcome}, False),
        ({"outcome": WHATEVER.outcome, "crack": [0, 1, 2, 3, 4, 5, 6]}, False),
        ({"outcome": WHATEVER.outcome, "at_least": 1, "of": 2}, False),
        ({"outcome": WHATEVER.outcome, "answered_after": 0.0}, False),
        ({"outcome": WHATEVER.outcome, "answered_after": 0.1}, True),
        ({"outcome": WHATEVER.outcome, "crack": [0, 1, 2]}, True),
        ({"outcome": WHATEVER.outcome, "health_green": True}, True),
        ({"outcome": ["contained", "grounded"]}, True),
    ],
)
def test_an_expectation_that_allows_whatever_may_come_cannot_be_broken(keys: dict[str, Any], *, can_be: bool) -> None:
    """Every outcome, every crack, any share of answers: such keys ask nothing."""
    assert Expectation.model_validate(keys).can_be_broken is can_be
