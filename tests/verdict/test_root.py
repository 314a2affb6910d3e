"""What most threads waited for in the end, as an expectation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from testbed.journal import evidence as evidence_file
from testbed.journal.events import EvidenceTaken, Pressure, Sample, Threads
from testbed.journal.evidence import Missing
from testbed.journal.thread_states import CHECKOUT, IDLE, LOCK, RUNNING
from testbed.plan.expectation import Root
from testbed.verdict import figures, outages
from testbed.verdict.busyness import MACHINE_BUSY
from testbed.verdict.checks import root
from testbed.verdict.finding import Finding, Verdict
from tests.journals import hung_night
from tests.nights import SWITCHOVER, flown
from tests.replay.test_outages import IMPATIENT
from tests.verdict.test_who_waits import LEAKED, dump, evidence, group, journal_with, table

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.events import Event

TAKEN = EvidenceTaken(t_s=6.0, night_s=90_000.0, why="hung", file="original/evidence/1.json", took_s=0.1)


def judged(tmp_path: Path, expected: Root, *events: Event) -> Finding:
    """Return the finding over a journal with these events, beside which the evidence of a leak lies."""
    file = tmp_path / TAKEN.file
    if not file.exists():
        evidence_file.write(evidence(table("cf-1", *[LEAKED] * 4)), file)
    return root.check(journal_with(tmp_path, *events), figures.of(hung_night().journal()), expected)


@pytest.mark.fact("O7", "P1")
@pytest.mark.parametrize(
    ("expected", "verdict"),
    [
        (Root(code="lost"), Verdict.HELD),
        (Root(code="lost", at="lookup/original.py"), Verdict.HELD),
        (Root(code="lost", at="lookup/fixed.py"), Verdict.BROKEN),
        (Root(code="lock"), Verdict.BROKEN),
        (Root(code="nobody"), Verdict.BROKEN),
    ],
)
def test_a_root_is_compared_by_its_kind_and_by_what_names_it(tmp_path: Path, expected: Root, verdict: Verdict) -> None:
    """The line of code is in the text, whatever the verdict."""
    finding = judged(tmp_path, expected, dump("cf-1", group(4, CHECKOUT)), TAKEN)
    assert finding.verdict is verdict
    assert "at 01:00 4 of 4 connections of cf-1 were lost in lookup/original.py:16" in finding.text


def test_the_worst_moment_counts(tmp_path: Path) -> None:
    """What was blocked once is not made good by a later look at a facility that works."""
    later = replace(TAKEN, t_s=9.0, night_s=95_000.0)
    well = replace(dump("cf-1", group(4, IDLE)), t_s=9.0, took_s=0.1)
    events = (dump("cf-1", group(4, CHECKOUT)), TAKEN, well, later)
    assert judged(tmp_path, Root(code="lost"), *events).verdict is Verdict.HELD
    assert judged(tmp_path, Root(code="nobody"), *events).verdict is Verdict.BROKEN
    assert judged(tmp_path, Root(code="nobody"), well, later).verdict is Verdict.HELD
    assert judged(tmp_path, Root(code="lost"), well, later).verdict is Verdict.BROKEN


def test_what_is_not_known_is_unknown_and_never_nobody(tmp_path: Path) -> None:
    """No evidence, evidence that is gone, and evidence that does not tell."""
    blocked = dump("cf-2", group(4, CHECKOUT))
    gone = replace(TAKEN, file="original/evidence/2.json")
    for events, reason in (
        ((), "no threads were dumped"),
        ((blocked, gone), "cannot be read"),
        ((blocked, TAKEN), "pool of cf-2 is not known"),
    ):
        for expected in (Root(code="nobody"), Root(code="lost")):
            finding = judged(tmp_path, expected, *events)
            assert finding.verdict is Verdict.UNKNOWN
            assert reason in finding.text


def test_who_was_full_just_before_the_evidence_and_was_not_dumped_leaves_the_root_unknown(tmp_path: Path) -> None:
    """Dumps are begun first, and what they show may have ended when the evidence is had: missing, they are not nobody."""
    well = replace(dump("cf-1", group(4, IDLE)), took_s=0.1)
    full, free = (
        Sample(t_s=TAKEN.t_s - before_s, night_s=89_000.0, service="cf-2", health=True, health_s=0.01, request_threads=4, busy=busy)
        for before_s, busy in ((0.7, 4), (0.1, 0))
    )
    finding = judged(tmp_path, Root(code="nobody"), well, TAKEN, full, free)
    assert finding.verdict is Verdict.UNKNOWN
    assert finding.text == "at 01:00 nothing was blocked, but at 01:00 no threads were dumped of cf-2; expected nobody"
    assert judged(tmp_path, Root(code="nobody"), well, TAKEN, free).verdict is Verdict.HELD


def test_of_moments_that_are_equally_bad_one_that_tells_the_root_counts(tmp_path: Path) -> None:
    """Whatever was late at the first, on a busy machine: the same threads wait for the same."""
    late = evidence(missing=(Missing("pool of cf-1", "no answer within 2 s"),))
    evidence_file.write(late, tmp_path / "original/evidence/2.json")
    early = replace(TAKEN, t_s=5.5, night_s=89_000.0, file="original/evidence/2.json")
    events = (dump("cf-1", group(4, CHECKOUT)), early, TAKEN)
    assert judged(tmp_path, Root(code="lost"), *events).verdict is Verdict.HELD
    assert judged(tmp_path, Root(code="lost"), *events[:2]).verdict is Verdict.UNKNOWN


def test_a_cause_of_few_is_not_held_against_what_most_may_wait_for(tmp_path: Path) -> None:
    """One thread at work, and three of which it was not seen what they wait for: the root is not known, whatever is expected."""
    blocked = dump("cf-2", group(1, RUNNING), group(3, CHECKOUT))
    for expected in ("lost", "nobody", "work"):
        finding = judged(tmp_path, Root(code=expected), blocked, TAKEN)
        assert finding.verdict is Verdict.UNKNOWN
        assert finding.text.startswith("at 01:00 the root is not known: of 4 threads, 3 wait for what was not seen; work of cf-2 itself")
    seen = dump("cf-2", group(3, RUNNING), group(1, CHECKOUT))
    assert judged(tmp_path, Root(code="lost"), seen, TAKEN).verdict is Verdict.BROKEN


def test_the_root_needs_no_leak(tmp_path: Path) -> None:
    """A lock within a service is one, too."""
    assert judged(tmp_path, Root(code="monitor", at="socket.py:9"), dump("cf-2", group(4, LOCK)), TAKEN).verdict is Verdict.HELD


def test_an_outage_of_which_no_evidence_was_taken_leaves_the_root_unknown(tmp_path: Path) -> None:
    """Everybody failed, and nobody looked: that an earlier look shows nobody blocked says nothing of it."""
    night = flown("checkout_timeout", SWITCHOVER, variants=IMPATIENT)
    (outage,) = outages.of(night)
    evidence_file.write(replace(evidence(), t_s=1.0), tmp_path / TAKEN.file)
    services = (*night.header.facility.application_servers, *night.header.facility.callers)
    seen = [event for event in night.events if not isinstance(event, Threads | EvidenceTaken)]
    seen += [replace(dump(service, group(4, IDLE)), t_s=1.0, took_s=0.1) for service in services]
    early, late, gone = (replace(TAKEN, t_s=at_s) for at_s in (1.0, outage.from_s + 1.0, outage.from_s + 1.0))
    gone = replace(gone, file="", error="the disk is full")
    for taken, verdict in (((early,), Verdict.UNKNOWN), ((early, gone), Verdict.UNKNOWN), ((early, late), Verdict.HELD)):
        events = (*seen, *taken)
        finding = root.check(replace(night, path=tmp_path / "x.jsonl", events=events), figures.of(night), Root(code="nobody"))
        assert finding.verdict is verdict
        assert ("no evidence was taken while every caller failed from " in finding.text) == (verdict is Verdict.UNKNOWN)


@pytest.mark.parametrize(("stalled_s", "code"), [(2.0, MACHINE_BUSY), (0.2, "")])
def test_a_root_that_a_busy_machine_hid_is_unknown_for_that_reason(tmp_path: Path, stalled_s: float, code: str) -> None:
    """So that the suite replays the night again, alone."""
    evidence_file.write(evidence(), tmp_path / TAKEN.file)
    pressure = [Pressure(t_s=at_s, night_s=90_000.0, cpu_stalled_s=so_far_s) for at_s, so_far_s in ((4.0, 0.0), (6.0, stalled_s))]
    finding = judged(tmp_path, Root(code="lost"), dump("cf-1", group(4, CHECKOUT)), TAKEN, *pressure)
    assert (finding.verdict, finding.code) == (Verdict.UNKNOWN, code)
