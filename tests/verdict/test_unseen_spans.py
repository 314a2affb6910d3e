"""When a service may have been stuck unseen, in hand-written journals: between looks far apart, and next to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.verdict import figures, outcome
from testbed.verdict.checks import crack
from testbed.verdict.finding import Verdict
from tests.journals import CALLERS, NightBuilder

if TYPE_CHECKING:
    from testbed.journal.reader import Journal

FROM_S = 5.0  # when the looks end for a while
LOOKS = 100  # ten a second


def journal(*, unseen_s: float, asked: int = 5, took_s: float = 2.0, ended: str = "failed") -> Journal:
    """Return a night that was looked at all the time, but for `unseen_s` seconds, in which callers failed or answered what they were asked.

    Of each so much was `asked` at once, and took so long; a service has four request threads.
    """
    night = NightBuilder()
    for caller in CALLERS:
        for _ in range(asked):
            night.request(FROM_S + 0.05, caller, ended, took_s=took_s)
    for number in range(LOOKS):
        t_s = number / 10
        if not FROM_S < t_s < FROM_S + unseen_s:
            night.look(t_s)
    night.end(LOOKS / 10)
    return night.journal()


@pytest.mark.parametrize(
    ("night", "cracks"),
    [
        (journal(unseen_s=2.5), (1, 5, 6)),  # all of their threads may have been blocked until what they did failed
        (journal(unseen_s=2.5, asked=3), (1,)),  # a thread was free
        (journal(unseen_s=2.5, took_s=0.3), (1,)),  # for too short a time
        (journal(unseen_s=2.5, ended="answered"), (0,)),  # slow, and not stuck
        (journal(unseen_s=0.3, took_s=0.2), (1,)),  # nothing was missed
    ],
)
def test_between_two_looks_far_apart_a_service_may_have_been_stuck(night: Journal, cracks: tuple[int, ...]) -> None:
    """If it can have had as much to do as it has threads, for long enough, and what it did failed; what was seen comes first."""
    assert outcome.possible_cracks(night, figures.of(night)) == cracks


@pytest.mark.parametrize(("expected", "verdict"), [((1,), Verdict.UNKNOWN), ((1, 5, 6), Verdict.HELD), ((2,), Verdict.BROKEN)])
def test_a_crack_that_may_have_gone_further_is_unknown_where_that_decides(expected: tuple[int, ...], verdict: Verdict) -> None:
    """What was seen decides wherever it can: all that the crack may be is expected, or none of it."""
    night = journal(unseen_s=2.5)
    found = crack.check(night, figures.of(night), expected)
    assert found.verdict is verdict
    assert ("not looked at often enough" in found.text) is (verdict is Verdict.UNKNOWN)
