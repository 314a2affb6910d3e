from __future__ import annotations

import re
from dataclasses import replace
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

HOURS, SAMPLES = 10, 40


class Day(NightBuilder):
    """Ten hours under load: each service has some 70 MiB; tables grow with what passengers write, and another is purged."""

    def sample_resources(
        self, *, mib: float = 0, files: float = 0, threads: float = 0, out: float = 0, rows: float = 0, log: float = 0
    ) -> Day:
        """Add the samples; each argument is a rise by the hour, of cf-1, of the table of sessions or of the log of cf-1."""
        random = Random(1)
        for number in range(1, SAMPLES + 1):
            hour = HOURS * number / SAMPLES
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

    def check(self, expected: str = "steady") -> Finding:
        """Return the finding of the check."""
        self.end(HOURS * 36.0 + 1)
        night = NightSpan("2013-10-07", EVENING_S, EVENING_S + HOURS * 3600)
        journal = self.journal(night=night)
        return longevity.check(journal, figures.of(journal), expected)


def test_a_steady_day_accuses_nothing_and_says_what_came_nearest() -> None:
    """What passengers wrote is to be kept, so bookings may grow; the warm-up is over before anything is judged."""
    finding = Day().sample_resources().check()
    assert finding.verdict is Verdict.HELD, finding.text
    assert finding.text.startswith("steady: none of 20 series is seen to rise by more than its threshold, at 99% each; ")
    assert re.search(r"; 19 are seen not to, at 95 %; the nearest is .*, with a threshold of [\d.]+; expected steady$", finding.text)
    assert finding.facts == ("S7",)


@pytest.mark.parametrize(
    ("rises", "word", "text"),
    [
        ({"mib": 1.0}, "leak", "leak: memory of cf-1 +1"),
        ({"files": 5.0}, "leak", "leak: open files of cf-1 +5"),
        ({"threads": 4.0}, "leak", "leak: threads of cf-1 +4"),
        ({"out": 2.0}, "leak", "leak: connections of cf-1 +2"),
        ({"rows": 60.0}, "growth", "growth: rows of sessions +59.5"),
        ({"log": 400_000.0}, "growth", "growth: log of cf-1 +391"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_rises_is_found_by_its_name_and_nothing_else_is(rises: dict[str, float], word: str, text: str) -> None:
    """With its slope by the hour of the night, the interval and the confidence; and it holds where it is expected."""
    finding = Day().sample_resources(**rises).check(word)
    assert finding.verdict is Verdict.HELD, finding.text
    assert finding.text.startswith(text)
    assert " an hour of the night (" in finding.text
    assert ", at a confidence of 99.9" in finding.text or ", at a confidence of 100.00%" in finding.text
    assert "of 19 other series none is seen to rise" in finding.text
    assert Day().sample_resources(**rises).check("steady").verdict is Verdict.BROKEN


def test_a_leak_that_is_expected_and_does_not_come_is_broken() -> None:
    """A plant that was not found is as bad as an accusation of what is clean."""
    assert Day().sample_resources().check("leak").verdict is Verdict.BROKEN


def test_a_leak_that_may_be_there_or_not_is_unknown() -> None:
    """A busy machine makes a series restless: that the leak was not found does not show that there was none."""
    finding = Day().sample_resources(out=0.6).check("leak")
    assert finding.verdict is Verdict.UNKNOWN
    assert finding.text.endswith("; expected leak, which connections of cf-1 may be: that is not shown, nor is the contrary")
    assert Day().sample_resources(out=0.6).check("growth").verdict is Verdict.BROKEN


def test_growth_beside_a_leak_is_not_covered_by_it() -> None:
    """Each word has to be expected."""
    assert Day().sample_resources(out=2.0, rows=60.0).check("leak").verdict is Verdict.BROKEN


def test_a_night_without_resource_samples_is_unknown() -> None:
    """The text says which setting is missing."""
    finding = Day().check()
    assert (finding.verdict, finding.text) == (Verdict.UNKNOWN, "no resource usage was sampled: set `resources_every_s` of the facility")


def test_too_few_samples_are_unknown_and_named() -> None:
    """A machine that was too busy to sample leaves the question open."""
    day = Day().sample_resources()
    day.events = [event for number, event in enumerate(day.events) if not isinstance(event, Size) or number % 9 == 0]
    finding = day.check()
    assert finding.verdict is Verdict.UNKNOWN
    assert finding.text.startswith("too few samples of ")


def test_a_restarted_service_is_judged_from_the_restart_on() -> None:
    """Its memory begins anew, and that is neither a fall nor a rise."""
    day = Day().sample_resources()
    half = EVENING_S + HOURS * 1800
    journal = day.journal(night=NightSpan("2013-10-07", EVENING_S, EVENING_S + HOURS * 3600))
    again = [
        replace(event, pid=2) if isinstance(event, ResourceUsage) and event.service == "cf-2" and event.night_s > half else event
        for event in journal.events
    ]
    (memory,) = (series for series in resource_series.of(replace(journal, events=tuple(again))) if series.name == "memory of cf-2")
    assert len(memory.points) == SAMPLES // 2
