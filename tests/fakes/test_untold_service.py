"""Nights on fakes over a service that tells nothing of itself: its passengers judge it, and nothing is claimed that nobody saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.fakes.builder import FakeBuilder
from testbed.plan import own_service
from testbed.plan.expectation import Outcome
from testbed.plan.service import RequestTemplate, ServicePlan
from testbed.plan.settings import ServerSettings, Settings
from testbed.report import nights
from testbed.verdict import judge
from testbed.verdict.finding import Verdict
from tests.nights import RESTART, SWITCHOVER, Flight, scenario

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.verdict.judge import Judgement

NEEDING = ("check_in", "flight_status", "search", "book")
SERVICE = ServicePlan(
    command=("java", "-jar", "ours.jar", "--password={db_password}"),
    max_connections=10,
    timeout_s=0.0,
    requests={name: RequestTemplate(path=f"/{name}") for name in NEEDING},
)


def judged(directory: Path, lookup: str, timeline: str = SWITCHOVER) -> Judgement:
    """Replay a night on fakes over a service that is written as a lookup is, and judge it."""
    plan = own_service.in_place(scenario(directory, timeline), SERVICE, "ours")
    flight = Flight(plan, "ours", directory)
    flight.builder = FakeBuilder(plan.facility, Settings(application_server=ServerSettings.model_validate({"lookup": lookup})))
    return judge.judge(flight.fly())


def test_an_opaque_service_that_leaks_grounds_the_airline(tmp_path: Path) -> None:
    """The callers hang, and that is seen; what leaked, and whether a thread of the service was blocked, is unknown."""
    judgement = judged(tmp_path, "original")
    assert (judgement.outcome, judgement.reason.code) == (Outcome.GROUNDED, "stuck_at_end")
    assert judgement.crack_number == "6"
    figures = judgement.figures
    assert set(figures.leaked_connections.values()) == set(figures.failed_operations.values()) == {None}
    assert figures.evidence.unseen == {"cf-1", "cf-2"}
    assert [finding.check for finding in judgement.findings if finding.verdict is not Verdict.HELD] == []


def test_an_opaque_service_that_is_careful_is_contained(tmp_path: Path) -> None:
    """How far the crack went inside is not known, and so it went at least as far as its passengers saw."""
    judgement = judged(tmp_path, "fixed")
    assert judgement.outcome is Outcome.CONTAINED
    assert judgement.crack_number == "at least 1"


def test_a_quiet_night_over_an_opaque_service_is_not_without_a_crack(tmp_path: Path) -> None:
    """Connections may have leaked that nobody missed."""
    judgement = judged(tmp_path, "original", "")
    assert judgement.outcome is Outcome.UNHARMED
    assert judgement.crack_number == "at least 0"


def test_a_restart_by_name_helps_an_opaque_service(tmp_path: Path) -> None:
    """It works as that of ours does, and is no sign that the service came back by itself."""
    timeline = SWITCHOVER + RESTART.replace('"restart"', '"restart"\nservices = ["cf-1", "cf-2"]')
    assert judged(tmp_path, "original", timeline).reason.code == "restarted_by_hand"


@pytest.mark.parametrize(("word", "value"), [("health_green", True), ("full_first", "pools"), ("leaked_connections", 10)])
def test_what_was_not_told_is_never_held(tmp_path: Path, word: str, value: object) -> None:
    """An expectation that got into a journal all the same is unknown."""
    plan = own_service.in_place(scenario(tmp_path), SERVICE, "ours")
    flight = Flight(plan, "ours", tmp_path)
    journal = flight.fly()
    journal.header.expect[word] = value
    [finding] = [finding for finding in judge.judge(journal).findings if finding.check == word]
    assert finding.verdict is Verdict.UNKNOWN, finding.text


def test_the_journal_and_the_report_say_that_it_was_somebody_elses(tmp_path: Path) -> None:
    """With its command as it stands in the file, without any secret, and what it was said to tell."""
    plan = own_service.in_place(scenario(tmp_path), SERVICE, "ours")
    journal = Flight(plan, "ours", tmp_path).fly()
    service = journal.header.service
    assert service is not None
    assert (service.command[-1], service.request_threads, service.tells) == ("--password={db_password}", None, ())
    [night] = nights.of([judge.judge(journal)])
    assert "a service of its own: java -jar ours.jar" in night.title
