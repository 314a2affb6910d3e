"""What a journal tells of the callers' circuit breakers: its figures, and what contradicts itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from testbed.journal.consistency import contradictions
from testbed.journal.events import BreakerSample, Sample
from testbed.report import json_lines, side_by_side
from testbed.verdict import judge
from testbed.verdict.figures import BreakerCounts
from tests.journals import contained_night
from tests.report.test_side_by_side import printed

if TYPE_CHECKING:
    from testbed.journal.reader import Journal

BREAKER = {"caller": {"circuit_breaker_at": 5}}
CLOSED = BreakerSample("closed", 0, 3, 0)
OPEN = BreakerSample("open", 1, 8, 4)
HALF_OPEN = BreakerSample("half_open", 2, 9, 7)


def night(*told: BreakerSample | None, stopped_s: float | None = None, settings: dict[str, dict[str, int]] = BREAKER) -> Journal:
    """Return a night whose samples of the kiosk (at 0.0, 0.6, 3.0 and 5.0 s) tell this of its breaker; other callers tell nothing."""
    builder = contained_night()
    samples = [event for event in builder.events if isinstance(event, Sample) and event.service == "kiosk"]
    for sample, breaker in zip(samples, told, strict=False):
        builder.events[builder.events.index(sample)] = replace(sample, breaker=breaker)
    if stopped_s is not None:
        builder.service(stopped_s, "kiosk", "stopped")
    return builder.journal(settings=settings)


def of_kiosk(journal: Journal) -> BreakerCounts | None:
    """Return the figures of the kiosk's breaker."""
    return judge.judge(journal).figures.breakers["kiosk"]


def test_the_last_sample_that_told_of_it_counts() -> None:
    """A caller that answers no monitoring at the end has not lost its counts."""
    assert of_kiosk(night(CLOSED, OPEN, HALF_OPEN)) == BreakerCounts(opened=2, let_through=9, refused=7)


def test_the_counts_of_all_processes_are_added_up() -> None:
    """A restarted process counts from 0."""
    assert of_kiosk(night(CLOSED, OPEN, CLOSED, CLOSED, stopped_s=1.0)) == BreakerCounts(opened=1, let_through=11, refused=4)


def test_a_breaker_that_was_never_seen_is_unknown() -> None:
    """As in a journal from before there were these counts; a variant without one has no figures of it."""
    assert judge.judge(night()).figures.breakers == dict.fromkeys(("kiosk", "ivr", "partner"))
    assert judge.judge(night(settings={})).figures.breakers == {}


def test_report_and_json_tell_of_breakers_only_where_there_are_some() -> None:
    """Each caller has its counts, or is unknown; in a night without breakers there is no such row."""
    seen, none = (judge.judge(night(CLOSED, OPEN, settings=settings)) for settings in (BREAKER, {}))
    text = " ".join(printed(side_by_side.side_by_side([seen]), 120).split())
    assert "circuit breakers kiosk: opened once, 8 calls let through, 4 refused ivr: unknown partner: unknown" in text
    assert "circuit breakers" not in printed(side_by_side.side_by_side([none]), 120)
    assert json.loads(json_lines.line(seen, 1.0))["circuit_breakers"] == {
        "kiosk": {"opened": 1, "let_through": 8, "refused": 4},
        "ivr": None,
        "partner": None,
    }
    assert json.loads(json_lines.line(none, 1.0))["circuit_breakers"] == {}


@pytest.mark.parametrize(
    ("told", "stopped_s", "says"),
    [
        ((CLOSED, OPEN, HALF_OPEN), None, ()),
        ((OPEN, CLOSED), None, ("the circuit breaker of kiosk counted 1 opened at 0.000 s, and 0 at 0.600 s",)),
        ((OPEN, None, replace(OPEN, refused=3)), None, ("the circuit breaker of kiosk counted 4 refused at 0.000 s, and 3 at 3.000 s",)),
        ((CLOSED, OPEN, CLOSED), 1.0, ()),
        ((BreakerSample("open", 4, 3, 0),), None, ("kiosk has a circuit breaker that opened 4 times by 3 calls",)),
    ],
)
def test_counts_that_fall_within_a_life_contradict_themselves(
    told: tuple[BreakerSample | None, ...], stopped_s: float | None, says: tuple[str, ...]
) -> None:
    """No process forgets what it counted; only the next one begins at 0."""
    assert tuple(text for text in contradictions(night(*told, stopped_s=stopped_s)) if "breaker" in text) == says
