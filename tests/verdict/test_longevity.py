from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from testbed.journal.events import MIB, NightSpan, PoolSample, ResourceUsage, Sample, Size
from testbed.verdict import figures, resource_series
from testbed.verdict.checks import longevity
from testbed.verdict.finding import Verdict
from tests.journals import CALLERS, EVENING_S, SERVERS, NightBuilder

if TYPE_CHECKING:
    from testbed.verdict.finding import Finding

HOURS, LOOKS = 10, 40


class Day(NightBuilder):
    """Ten hours under load: each service with some 70 MiB, tables with what passengers write, and a purged one; changed by the hour."""

    def sample_resources(
        self, *, mib: float = 0, files: float = 0, threads: float = 0, out: float = 0, rows: float = 0, log: float = 0
    ) -> Day:
        """Add the looks; what is given rises by so much an hour, on cf-1, in the table of sessions or in the log of cf-1."""
        random = Random(1)
        for number in range(1, LOOKS + 1):
            hour = HOURS * number / LOOKS
            at: dict[str, Any] = {"t_s": hour * 36, "night_s": EVENING_S + hour * 3600}
            for service in (*SERVERS, *CALLERS):
                ours = service == "cf-1"
                size = round((70 - 5 / hour + random.random() / 4 + mib * hour * ours) * MIB)
                self.events.append(
                    ResourceUsage(
                        **at,
                        service=service,
                        pid=1,
                        rss_bytes=2 * size,
                        private_bytes=size,
                        open_files=60 + random.randrange(3) + round(files * hour * ours),
                        threads=9 + random.randrange(2) + round(threads * hour * ours),
                    )
                )
            for server in SERVERS:
                busy = random.randrange(3)
                leaked = round(out * hour * (server == "cf-1"))
                pool = PoolSample(size=100, in_=100 - busy - leaked, out=busy + leaked, waiting=0, leaked=leaked)
                self.events.append(
                    Sample(**at, service=server, health=True, health_s=0, request_threads=4, busy=busy, waiting=0, pool=pool)
                )
            self.events += [
                Size(**at, kind="table", name="bookings", size_bytes=8192 * number, rows=100 * number),
                Size(**at, kind="table", name="sessions", size_bytes=81_920, rows=50 + random.randrange(9) + round(rows * hour)),
                Size(**at, kind="log", name="cf-1", size_bytes=round(log * hour)),
            ]
        return self

    def found(self, expected: str = "steady") -> Finding:
        """Make the check."""
        self.end(HOURS * 36.0 + 1)
        night = NightSpan("2013-10-07", EVENING_S, EVENING_S + HOURS * 3600)
        journal = self.journal(night=night)
        return longevity.check(journal, figures.of(journal), expected)


def test_a_steady_day_accuses_nothing_and_says_what_came_nearest() -> None:
    """What passengers wrote is to be kept, so bookings may grow; the warm-up is over before anything is judged."""
    found = Day().sample_resources().found()
    assert found.verdict is Verdict.HELD, found.text
    assert found.text.startswith("steady: none of 20 series rises by more than matters, at 99.9% each; the nearest is ")
    assert "matters, with a confidence of " in found.text
    assert found.facts == ("S7",)


@pytest.mark.parametrize(
    ("rises", "word", "told"),
    [
        ({"mib": 1.0}, "leak", "leak: memory of cf-1 +1"),
        ({"files": 5.0}, "leak", "leak: open files of cf-1 +5"),
        ({"threads": 4.0}, "leak", "leak: threads of cf-1 +4"),
        ({"out": 2.0}, "leak", "leak: connections of cf-1 +2"),
        ({"rows": 60.0}, "growth", "growth: rows of sessions +60"),
        ({"log": 400_000.0}, "growth", "growth: log of cf-1 +391"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_rises_is_found_by_its_name_and_nothing_else_is(rises: dict[str, float], word: str, told: str) -> None:
    """With its slope by the hour of the night, the interval and the confidence; and it is no surprise to who expected it."""
    found = Day().sample_resources(**rises).found(word)
    assert found.verdict is Verdict.HELD, found.text
    assert found.text.startswith(told)
    assert " an hour of the night (" in found.text
    assert ", at a confidence of 99.9" in found.text or ", at a confidence of 100.00%" in found.text
    assert "19 other series are steady" in found.text
    assert Day().sample_resources(**rises).found("steady").verdict is Verdict.BROKEN


def test_a_leak_that_is_expected_and_does_not_come_is_broken() -> None:
    """A plant that was not found is as bad as an accusation of what is clean."""
    assert Day().sample_resources().found("leak").verdict is Verdict.BROKEN


def test_growth_beside_a_leak_is_not_covered_by_it() -> None:
    """Each word has to be expected."""
    assert Day().sample_resources(out=2.0, rows=60.0).found("leak").verdict is Verdict.BROKEN


def test_a_night_that_was_not_weighed_is_unknown() -> None:
    """No looks, no word."""
    found = Day().found()
    assert (found.verdict, found.text) == (Verdict.UNKNOWN, "nothing was weighed: the facility has no `resources_every_s`")


def test_too_few_looks_are_unknown_and_told_by_name() -> None:
    """A machine that was too busy to look leaves the question open."""
    day = Day().sample_resources()
    day.events = [one for number, one in enumerate(day.events) if not isinstance(one, Size) or number % 9 == 0]
    found = day.found()
    assert found.verdict is Verdict.UNKNOWN
    assert found.text.startswith("too few looks at ")


def test_a_service_that_was_restarted_is_looked_at_from_there() -> None:
    """Its memory begins anew, and that is neither a fall nor a rise."""
    day = Day().sample_resources()
    half = EVENING_S + HOURS * 1800
    journal = day.journal(night=NightSpan("2013-10-07", EVENING_S, EVENING_S + HOURS * 3600))
    again = [
        ResourceUsage(**{**_fields(one), "pid": 2})
        if isinstance(one, ResourceUsage) and one.service == "cf-2" and one.night_s > half
        else one
        for one in journal.events
    ]
    (memory,) = (
        one for one in resource_series.of(type(journal)(journal.path, journal.header, tuple(again))) if one.name == "memory of cf-2"
    )
    assert len(memory.points) == LOOKS // 2


def _fields(one: ResourceUsage) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ResourceUsage.__dataclass_fields__}
