"""Nights that are over, for the tests of what compares answers and counts points: flown on fakes, or examined with a cause of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from testbed.classroom.inquiry import examination
from testbed.classroom.inquiry.examination import Examination
from testbed.postmortem import questions, warning_time
from testbed.verdict import judge, who_waits
from testbed.verdict.who_waits import Blamed, Look, WhoWaits
from tests.journals import NightBuilder, hung_night
from tests.nights import SWITCHOVER, Flight, scenario

if TYPE_CHECKING:
    from testbed.journal.evidence import Evidence
    from testbed.journal.reader import Journal
    from testbed.verdict.causes.cause import Cause


def flown(directory: Path, variant: str = "original", timeline: str = SWITCHOVER, *, variants: str = "") -> Path:
    """Return the journal of a night of a few lines, replayed on fakes, with its evidence beside it."""
    return Flight(scenario(directory, timeline, variants=variants), variant, directory).fly().path


def examined(journal: Journal, *looks: Look) -> Examination:
    """Return a night examined with these moments in place of what its evidence tells."""
    judgement = judge.judge(journal)
    times = warning_time.of(journal, judgement)
    known = questions.known_root(who_waits.worst_of(looks), times.stop.at)
    return Examination(journal, judgement, looks, known, times, questions.of(journal, judgement, looks, times, None))


def look(*causes: tuple[Cause, int], evidence: Evidence | None = None) -> Look:
    """Return a moment after service had stopped at which so many threads wait for each cause."""
    blamed = tuple(Blamed(cause, threads, ("cf-1", "kiosk")) for cause, threads in causes)
    return Look(90_000.0, "hung", WhoWaits((), blamed), "", evidence)


def hung(*causes: tuple[Cause, int], evidence: Evidence | None = None, night: NightBuilder | None = None) -> Examination:
    """Return the hung night, or another one, in which so many threads wait for each cause."""
    return examined((night or hung_night()).journal(), look(*causes, evidence=evidence))


def of_flight(variant: str, timeline: str = SWITCHOVER) -> Examination:
    """Return a night on fakes, examined from what is on disk."""
    with TemporaryDirectory() as directory:
        return examination.of(flown(Path(directory), variant, timeline))


def without_switchover(night: NightBuilder) -> NightBuilder:
    """Return a night without its switchover."""
    night.events = [event for event in night.events if event.event not in ("operation", "step")]
    return night


def with_settings(examined_: Examination, **application_server: object) -> Examination:
    """Return a night whose header has these settings of the application servers."""
    settings = {"application_server": application_server}
    return replace(examined_, journal=replace(examined_.journal, header=replace(examined_.journal.header, settings=settings)))
