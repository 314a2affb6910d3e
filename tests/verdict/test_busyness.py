from __future__ import annotations

import pytest

from testbed.journal.consistency import contradictions
from testbed.journal.events import Sample
from testbed.verdict import figures
from testbed.verdict.busyness import MACHINE_BUSY, stalled_s
from testbed.verdict.checks import health_green
from testbed.verdict.finding import Verdict
from tests.journals import NightBuilder, contained_night


@pytest.mark.parametrize(
    ("since_s", "until_s", "expected"),
    [(0.0, 4.0, 1.0), (1.1, 1.5, 0.1), (3.9, 6.0, 0.025), (5.0, 6.0, 0.0), (2.0, 2.0, 0.0), (-3.0, 0.2, 0.05)],
)
def test_the_time_without_a_free_processor_is_counted_within_the_span_only(since_s: float, until_s: float, expected: float) -> None:
    """Between two looks it is taken to have been even; where nobody looked, it counts as none."""
    night = NightBuilder()
    night.pressure(4.0, 0.25)
    assert stalled_s(night.journal(), since_s, until_s) == pytest.approx(expected)


def test_a_count_that_falls_is_no_kernels() -> None:
    """Somebody edited the journal, or put two together."""
    night = NightBuilder()
    night.pressure(0.4, 0.25)
    assert not [text for text in contradictions(night.journal()) if "processor" in text]
    night.pressure(0.2, 0.0)
    (told,) = [text for text in contradictions(night.journal()) if "processor" in text]
    assert told == "at 0.000 s something had waited 1000.000 s for a processor, less than before"


@pytest.mark.parametrize(
    ("error", "took_s", "busy", "verdict"),
    [
        ("no answer within 2 s", 2.4, 1.0, Verdict.UNKNOWN),
        ("no answer within 2 s", 2.4, 0.5, Verdict.BROKEN),
        ("no answer within 2 s", 2.4, 0.0, Verdict.BROKEN),
        ("", 0.1, 1.0, Verdict.BROKEN),
    ],
)
def test_a_look_without_an_answer_for_want_of_a_processor_is_no_red_check(error: str, took_s: float, busy: float, verdict: Verdict) -> None:
    """It says nothing about the service; an answer that is red does, and one that did not come on a machine with time to spare."""
    night = contained_night()
    night.pressure(6.0, busy)
    night.events.append(Sample(**night.at(5.9), service="cf-1", health=False, health_s=took_s, error=error))
    journal = night.journal()
    found = health_green.check(journal, figures.of(journal), True)
    assert (found.verdict, found.code == MACHINE_BUSY) == (verdict, verdict is Verdict.UNKNOWN)
