"""How long the evidence delayed a restart, against the outage (O9), in hand-written journals."""

from __future__ import annotations

import pytest

from testbed.journal.events import EvidenceTaken
from testbed.journal.thread_states import CHECKOUT
from testbed.verdict import figures
from testbed.verdict.checks import evidence_within_s
from testbed.verdict.finding import Finding, Verdict
from tests.journals import CALLERS, SERVERS, NightBuilder, hung_night

RESTARTED_S = 6.0


def judged(night: NightBuilder, expected: float = 2.0) -> Finding:
    """Return the finding of the check."""
    journal = night.journal()
    return evidence_within_s.check(journal, figures.of(journal), expected)


def restarted(
    *, after_s: float, took_s: float | None = 0.8, left_out: str = "", error: str | None = None, evidence: bool = True
) -> NightBuilder:
    """Write a night that hangs from 5 s on: the dumps end at 6.8 s, and `after_s` seconds after the restart began a server is killed."""
    night = hung_night(dumps=False)
    night.events = [event for event in night.events if event.event not in ("observed", "healed", "end")]
    for t_s in (5.6, 5.8, 6.0):
        night.look(t_s, busy=4, done=1, failed=4, leaked=4)
    for service in (*SERVERS, *CALLERS):
        if service != left_out:
            night.dump(RESTARTED_S + 0.8, service, CHECKOUT, took_s=took_s, error=error)
    if evidence:
        night.events.append(EvidenceTaken(t_s=RESTARTED_S + 0.4, night_s=0.0, why="restart", file="", took_s=0.4))
    night.restart(RESTARTED_S, after_s=after_s)
    night.look(8.0)
    night.end(9.0)
    return night


@pytest.mark.fact("O9")
@pytest.mark.parametrize(
    ("after_s", "expected", "verdict"),
    [
        (0.8, 2.0, Verdict.HELD),
        (0.8, 0.5, Verdict.BROKEN),  # longer than is allowed
        (1.9, 2.0, Verdict.BROKEN),  # the restart waited for something else, too: the slowest dump took 0.8 s
    ],
)
def test_a_restart_waits_for_the_evidence_and_no_longer(after_s: float, expected: float, verdict: Verdict) -> None:
    """What delayed it is compared with what is allowed, and with what the dumps took."""
    assert judged(restarted(after_s=after_s), expected).verdict is verdict


def test_a_restart_that_may_have_waited_for_evidence_breaks_nothing() -> None:
    """Nobody knows how long the parts took to tell of themselves."""
    finding = judged(restarted(after_s=1.9, evidence=False))
    assert (finding.verdict, "nobody knows" in finding.text) == (Verdict.UNKNOWN, True)


@pytest.mark.fact("O9")
def test_the_evidence_is_compared_with_the_outage() -> None:
    """From when the first service was stuck until the servers were ready again."""
    assert judged(restarted(after_s=0.8)).text == (
        "evidence of 5 services delayed the restart by 0.80 s (the slowest took 0.80 s), "
        "of an outage of 2.00 s until the servers were ready; expected within 2 s"
    )


def test_a_restart_may_wait_for_what_the_parts_tell_of_themselves() -> None:
    """As for a dump that took as long."""
    night = restarted(after_s=1.9)
    night.events.append(EvidenceTaken(t_s=RESTARTED_S + 1.5, night_s=0.0, why="restart", file="original/evidence/1.json", took_s=1.5))
    assert judged(night).verdict is Verdict.HELD


@pytest.mark.parametrize("lacks", [{"left_out": "cf-2"}, {"took_s": None}, {"error": "py-spy did not end"}])
def test_evidence_that_nobody_has_or_timed_proves_nothing(lacks: dict[str, str | None]) -> None:
    """It died with the processes, or nobody knows how long it took."""
    finding = judged(restarted(after_s=0.8, **lacks))  # type: ignore[arg-type]
    assert finding.verdict is Verdict.UNKNOWN
    assert "cf-2" in finding.text


def test_dumps_after_the_restart_are_no_evidence_of_the_outage() -> None:
    """They are of other processes."""
    assert judged(restarted(after_s=0.1)).verdict is Verdict.UNKNOWN


def test_a_night_without_a_restart_breaks_the_expectation() -> None:
    """Nothing was delayed, and nothing was restarted either."""
    assert judged(hung_night()).verdict is Verdict.BROKEN
