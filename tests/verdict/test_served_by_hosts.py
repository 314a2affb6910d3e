"""On how many hosts of the pair the cluster served (C1), in hand-written journals."""

from __future__ import annotations

import pytest

from testbed.verdict import figures
from testbed.verdict.checks import served_by_hosts
from testbed.verdict.finding import Finding, Verdict
from tests.journals import NightBuilder, contained_night, hung_night


def judged(night: NightBuilder, expected: int = 2) -> Finding:
    """Return the finding of the check."""
    journal = night.journal()
    return served_by_hosts.check(journal, figures.of(journal), expected)


@pytest.mark.fact("C1")
def test_a_cluster_that_answers_before_and_after_a_switchover_was_served_by_both_hosts() -> None:
    """Each server is counted on each host; and one host fewer, or more, is not what was seen."""
    finding = judged(contained_night())
    assert finding.verdict is Verdict.HELD
    assert "cf-1 on db-1 1; cf-2 on db-1 1; cf-1 on db-2 9; cf-2 on db-2 9" in finding.text
    assert [judged(contained_night(), expected).verdict for expected in (1, 3)] == [Verdict.BROKEN, Verdict.BROKEN]


@pytest.mark.fact("C1")
def test_a_host_on_which_nothing_was_answered_did_not_serve() -> None:
    """The switchover of the case was a success, and no application server got anything from the second host."""
    finding = judged(hung_night())
    assert finding.verdict is Verdict.BROKEN
    assert "every application server served on db-1, expected 2" in finding.text


@pytest.mark.fact("C1")
def test_one_server_that_gets_nothing_from_a_host_is_enough() -> None:
    """As one does that is configured with the other host's own address."""
    night = NightBuilder()
    night.look(0.0)
    night.look(0.6, done=1)
    night.switchover(1.0)
    night.look(2.0, done=1)
    night.look(3.0, done=1, failed=2)
    for service, done in (("cf-1", 9), ("cf-2", 1)):
        night.sample(4.0, service, done=done, failed=4)
    night.end(5.0)
    assert "every application server served on db-1, expected 2" in judged(night).text
    assert judged(night).verdict is Verdict.BROKEN


def test_answers_between_two_samples_across_the_switchover_belong_to_no_host() -> None:
    """A busy machine samples rarely: whether the first host served is then unknown."""
    night = NightBuilder()
    night.look(0.0)
    night.switchover(1.0)
    night.look(2.0, done=3)
    night.look(3.0, done=9)
    night.end(4.0)
    assert judged(night).verdict is Verdict.UNKNOWN
    assert "not sampled often enough: cf-1, cf-2" in judged(night).text


def test_a_host_that_serves_twice_is_one_host() -> None:
    """There and back again is two hosts."""
    night = contained_night()
    night.events = [event for event in night.events if event.event not in ("observed", "healed", "end")]
    night.switchover(6.0, id_=2, hosts=("db-2", "db-1"))
    night.look(7.0, done=12, failed=4)
    night.look(8.0, done=14, failed=4)
    night.end(9.0)
    assert judged(night).verdict is Verdict.HELD
    assert "cf-1 on db-1 3" in judged(night).text


def test_without_a_switchover_nobody_says_which_host_served() -> None:
    """Nor where it failed."""
    night = NightBuilder()
    night.look(0.0)
    night.switchover(1.0, steps=3, state="failed")
    night.look(2.0, done=3)
    night.end(3.0)
    assert judged(night).verdict is Verdict.UNKNOWN
