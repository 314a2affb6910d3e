from __future__ import annotations

import pytest

from testbed.verdict import figures, latency
from testbed.verdict.checks import answered_within_s
from testbed.verdict.finding import Verdict
from tests.journals import NightBuilder, hung_night


def night(*waits_s: float | None, failed: int = 0) -> NightBuilder:
    """Write a night with a switchover at 1 s, and check-ins after it that took so long; None: never answered."""
    built = NightBuilder()
    built.request(0.5, "kiosk", "answered", took_s=0.1)
    built.switchover(1.0)
    for number, wait_s in enumerate(waits_s):
        built.request(2.0 + number / 100, "kiosk", None if wait_s is None else "answered", took_s=wait_s or 0.0)
    for _ in range(failed):
        built.request(3.0, "kiosk", "failed", took_s=9.0)
    built.end(12.0)
    return built


def after(built: NightBuilder) -> latency.Latency:
    """Return the latency of the kiosk after the fault."""
    return latency.by_caller(built.journal())["kiosk"]["after"]


def test_percentiles_are_of_what_was_due() -> None:
    """A hundred waits of one to a hundred hundredths of a second; before the fault, and others' callers, are apart."""
    found = latency.by_caller(night(*(number / 100 for number in range(1, 101))).journal())
    assert found["kiosk"]["after"] == latency.Latency(
        100, 0, 0, pytest.approx(0.5), pytest.approx(0.9), pytest.approx(0.99), pytest.approx(1.0)
    )
    assert (found["kiosk"]["before"].answered, found["kiosk"]["before"].longest_s) == (1, pytest.approx(0.1))
    assert found["ivr"]["after"] == latency.Latency(0, 0, 0, None, None, None, None)


def test_a_wait_counts_from_when_the_request_was_due() -> None:
    """A generator that is late, or a server that is frozen for six seconds, must show."""
    built = night()
    built.request(5.0, "kiosk", "answered", took_s=1.0, late_s=5.0)
    assert after(built).longest_s == pytest.approx(6.0)


def test_what_was_never_answered_takes_for_ever() -> None:
    """Where most wait still, the median is never; a percentile below them is what the others took."""
    few, many = after(night(0.1, 0.1, 0.1, None)), after(night(0.1, None, None))
    assert (few.median_s, few.longest_s, few.unanswered) == (pytest.approx(0.1), None, 1)
    assert (many.median_s, many.p90_s, many.answered) == (None, None, 1)


def test_what_failed_was_not_answered() -> None:
    """However soon or late its error came, it is counted and is in no percentile."""
    found = after(night(0.1, failed=3))
    assert (found.failed, found.longest_s) == (3, pytest.approx(0.1))


@pytest.mark.parametrize(
    ("built", "most_s", "verdict"),
    [
        (night(0.1, 6.0), 6.1, Verdict.HELD),
        (night(0.1, 6.0), 5.0, Verdict.BROKEN),
        (night(0.1, None), 1000.0, Verdict.BROKEN),
        (night(failed=3), 1.0, Verdict.UNKNOWN),
    ],
)
def test_a_scenario_may_ask_how_long_anybody_waited(built: NightBuilder, most_s: float, verdict: Verdict) -> None:
    """What was never answered took longer than anybody may ask for; where everything failed nobody was answered in time, nor late."""
    journal = built.journal()
    found = answered_within_s.check(journal, figures.of(journal), most_s)
    assert found.verdict is verdict
    assert f"expected at most {most_s:g} s" in found.text


def test_the_figures_have_the_latency_of_every_caller() -> None:
    """Twelve of the hung night wait for ever."""
    computed = figures.of(hung_night().journal())
    assert sum(halves["after"].unanswered for halves in computed.latency.values()) == 12
    assert set(computed.latency) == {"kiosk", "ivr", "partner"}
