from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from testbed.journal.events import LogLines, OperationEvent, ResourceUsage, Response, Sample, Service, Shortage
from testbed.verdict import checks, figures, judge
from testbed.verdict.checks.resources import NAMES
from testbed.verdict.finding import Finding, Verdict
from tests.journals import NightBuilder, contained_night, hung_night
from tests.nights import Flight, scenario

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from testbed.journal.events import Now, Resource


def finding(night: NightBuilder, **changes: Any) -> Finding:
    """Make the check of a night."""
    journal = night.journal(**changes)
    return checks.load("resources")(journal, figures.of(journal), None)


def lacking(night: NightBuilder, resource: Resource = "memory", of: str = "cf-1", t_s: float = 3.0) -> NightBuilder:
    """Add what a log says."""
    night.events.insert(-3, Shortage(**night.at(t_s), of=of, resource=resource, lines=2, line="MemoryError"))
    return night


def fault(night: NightBuilder, word: str, exhausts: tuple[Resource, ...] = (), t_s: float = 2.0) -> NightBuilder:
    """Add a fault that begins."""
    night.events.insert(0, OperationEvent(**night.at(t_s), operation=word, id=9, state="begin", exhausts=exhausts))
    return night


def test_a_night_in_which_the_machine_had_enough_holds() -> None:
    """Nothing says otherwise."""
    assert finding(hung_night()).verdict is finding(contained_night()).verdict is Verdict.HELD


@pytest.mark.parametrize("resource", ["memory", "processes", "descriptors", "space"])
def test_what_failed_for_want_of_something_shows_nothing(resource: Resource) -> None:
    """It is unknown, and so is every expectation that it seems to break; who lacked what is told."""
    night = lacking(hung_night(), resource)
    found = finding(night)
    assert found.verdict is Verdict.UNKNOWN
    assert f"{NAMES[resource]} (told by cf-1, 2 times, as in: MemoryError)" in found.text
    assert judge.judge(hung_night().journal(expect={"outcome": ["unharmed"]})).verdict is Verdict.BROKEN
    assert judge.judge(night.journal(expect={"outcome": ["unharmed"]})).verdict is Verdict.UNKNOWN


def test_answers_monitoring_and_last_words_say_it_too() -> None:
    """In journals whose logs nobody read, and of the load generator's own descriptors."""
    for spoil in (
        lambda event: isinstance(event, Response) and replace(event, error="ClientConnectorError: [Too many open files]"),
        lambda event: isinstance(event, Sample) and replace(event, error="Cannot connect: [Errno 24] Too many open files"),
    ):
        night = contained_night()
        night.events = [spoil(event) or event for event in night.events]
        assert "not enough descriptors (told by answers to " in finding(night).text
    night = contained_night()
    night.events.append(
        Service(**night.at(3.0), service="ivr", state="died", pid=7, detail="exit code -6\nmemory allocation of 8 bytes failed")
    )
    assert "memory (told by ivr, 1 times, as in: memory allocation of 8 bytes failed)" in finding(night).text


def test_a_log_line_that_was_lost_had_no_space_unless_the_fault_took_it() -> None:
    """Also in journals that are older than `exhausts`."""
    night = contained_night()
    (first, *_) = [event for event in night.events if isinstance(event, Sample) and event.service == "cf-1"]
    night.events[night.events.index(first)] = replace(first, log=LogLines(written=1, lost=3))
    assert "space on a disk (told by cf-1, 3 times, as in: log lines were lost)" in finding(night).text
    assert finding(fault(night, "disk_full", t_s=first.t_s)).verdict is Verdict.HELD


def test_what_a_fault_exhausts_on_purpose_is_no_shortage() -> None:
    """From its begin on, of that and nothing else; one that is not in this package says so itself."""
    assert finding(fault(lacking(contained_night(), "descriptors"), "burst")).verdict is Verdict.HELD
    assert finding(fault(lacking(contained_night(), "memory"), "burst")).verdict is Verdict.UNKNOWN
    assert finding(fault(lacking(contained_night(), "descriptors", t_s=1.0), "burst")).verdict is Verdict.UNKNOWN
    assert finding(fault(lacking(contained_night(), "memory"), "hungry")).verdict is Verdict.UNKNOWN
    assert finding(fault(lacking(contained_night(), "memory"), "hungry", ("memory",))).verdict is Verdict.HELD


def test_what_the_variant_leaks_is_no_shortage() -> None:
    """Of the application servers, which have the leak; a caller that lacks memory is one."""
    leaking = {"application_server": {"leak_memory_kib": 64}}
    assert finding(lacking(contained_night()), settings=leaking).verdict is Verdict.HELD
    assert finding(lacking(contained_night(), of="kiosk"), settings=leaking).verdict is Verdict.UNKNOWN
    assert finding(lacking(contained_night(), "descriptors"), settings=leaking).verdict is Verdict.UNKNOWN
    connections = {"application_server": {"leak_connection_every": 5}}
    assert finding(lacking(contained_night(), "descriptors"), settings=connections).verdict is Verdict.HELD


@pytest.mark.parametrize(("each", "verdict"), [(9, Verdict.HELD), (0, Verdict.UNKNOWN)])
def test_descriptors_that_a_service_used_more_and_more_of_were_its_own(each: int, verdict: Verdict) -> None:
    """A leak that nobody planted runs into the limit in the end, and that is what a long run is for (S7)."""
    night = lacking(contained_night(), "descriptors", t_s=90.0)
    for number in range(90):
        usage = ResourceUsage(
            **night.at(float(number)), service="cf-1", pid=7, rss_bytes=1, private_bytes=1, open_files=20 + each * number, threads=4
        )
        night.events.insert(-3, usage)
    assert finding(night).verdict is verdict


@dataclass
class Starved:
    """A source of shortages that finds one, when the night is over."""

    every_s: float | None = None

    async def look(self, now: Now) -> Sequence[Shortage]:
        """Return that cf-2 had no memory."""
        t_s, night_s = now()
        return (Shortage(t_s=t_s, night_s=night_s, of="cf-2", resource="memory", lines=1, line="MemoryError"),)


def test_a_replay_records_what_its_parts_lacked(tmp_path: Path) -> None:
    """The night itself went as expected; it is not believed all the same."""
    flight = Flight(scenario(tmp_path), "original", tmp_path)
    flight.builder.shortages = Starved()
    judgement = judge.judge(flight.fly())
    assert judgement.verdict is Verdict.UNKNOWN
    assert [doubt.check for doubt in judgement.doubts] == ["resources"]


@pytest.mark.parametrize(("word", "exhausts"), [("disk_full", ("space",)), ("silence", ())])
def test_the_journal_has_what_a_fault_exhausts(tmp_path: Path, word: str, exhausts: tuple[str, ...]) -> None:
    """At its begin."""
    plan = scenario(tmp_path, f'[[timeline]]\nat = "23:00"\nfault = "{word}"\n')
    begin, _ = Flight(plan, "fixed", tmp_path).fly().of(OperationEvent)
    assert begin.exhausts == exhausts
