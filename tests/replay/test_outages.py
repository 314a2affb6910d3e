"""Of which outage without a hang evidence is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.journal.events import OperationEvent, Threads
from testbed.journal.failures import OUT_S, Failures
from testbed.replay.hangs import AGAIN_S
from testbed.replay.outages import Outages
from testbed.replay.state import FacilityState
from testbed.verdict import outages
from tests.nights import RESTART, SWITCHOVER, flown, sample

if TYPE_CHECKING:
    from testbed.journal.reader import Journal

IMPATIENT = """
[variants.checkout_timeout.expect]
outcome = "grounded"
"""
CALLERS = ("kiosk", "ivr")


class Load:
    """What came back of a load; and the clock of the journal."""

    def __init__(self) -> None:
        self.failures = Failures(frozenset(CALLERS))
        self.now_s = 0.0

    def t_s(self) -> float:
        """Return the time."""
        return self.now_s

    def fail(self, until_s: float) -> None:
        """Let every caller fail ten times a second until a time."""
        while self.now_s < until_s:
            self.now_s += 0.1
            for caller in CALLERS:
                self.failures.take(caller, self.now_s, answered=False)


@pytest.fixture
def load() -> Load:
    """Return a load of which nothing came back yet."""
    return Load()


@pytest.fixture
def watched(load: Load) -> Outages:
    """Return the outages of a facility with two pools of four connections."""
    state = FacilityState(("cf-1", "cf-2"), CALLERS)
    for server in state.application_servers:
        state.take(sample(0.0, server, leaked=4))
    return Outages(state, load, load)  # type: ignore[arg-type]


def test_evidence_is_due_once_when_everything_has_failed_for_a_second(load: Load, watched: Outages) -> None:
    """Not while stale connections explain it, and not a second time of what goes on."""
    load.fail(0.4)  # eight of eight
    assert not watched.is_due(0.0, None, at_work=False)
    load.fail(0.5 + OUT_S - 0.2)
    assert not watched.is_due(0.0, None, at_work=False)
    load.fail(0.5 + OUT_S + 0.2)
    assert not watched.is_due(0.0, None, at_work=True)
    assert watched.is_due(0.0, None, at_work=False)
    load.fail(2 * AGAIN_S)
    assert not watched.is_due(0.0, None, at_work=False)


def test_evidence_is_due_again_when_something_was_done_and_helped_nothing(load: Load, watched: Outages) -> None:
    """A second after it, where the passengers go on to fail; what is over when they stop is looked at no more."""
    load.fail(5.0)
    assert watched.is_due(0.0, None, at_work=False)
    load.now_s = 9.0
    assert not watched.is_due(6.0, None, at_work=False)
    load.fail(9.5)
    assert watched.is_due(6.0, None, at_work=False)


def test_evidence_that_somebody_else_took_will_do(load: Load, watched: Outages) -> None:
    """Since the outage began, for whatever reason; that of before it shows something else."""
    load.fail(5.0)
    assert not watched.is_due(0.0, 1.0, at_work=False)
    assert not watched.is_untold(1.0)
    assert watched.is_untold(0.2)
    assert watched.is_due(0.0, 0.2, at_work=False)


def test_outages_one_after_the_other_cost_a_bounded_number_of_looks(load: Load, watched: Outages) -> None:
    """Each ends with an answer, and begins anew: there is evidence once in a while."""
    taken = 0
    for number in range(1, 101):
        load.fail(3.0 * number)
        taken += watched.is_due(0.0, None, at_work=False)
        load.failures.take("kiosk", load.now_s, answered=True)
    assert 1 < taken <= 1 + 300.0 / AGAIN_S


def test_a_pool_that_was_not_seen_tells_nothing(load: Load) -> None:
    """Nobody knows how many failures stale connections explain."""
    load.fail(5.0)
    blind = Outages(FacilityState(("cf-1",), CALLERS), load, load)  # type: ignore[arg-type]
    assert not blind.is_due(0.0, None, at_work=False)
    assert not blind.is_untold(None)


def dumped_s(journal: Journal) -> list[float]:
    """Return when threads of a night were dumped."""
    return sorted(dump.began_s for dump in journal.of(Threads))


@pytest.mark.fact("S2", "O9")
def test_a_night_whose_checkouts_give_up_is_looked_at_once() -> None:
    """All services, within the outage; and nobody hangs in it."""
    journal = flown("checkout_timeout", SWITCHOVER, variants=IMPATIENT)
    (outage,) = outages.of(journal)
    facility = journal.header.facility
    assert sorted(dump.service for dump in journal.of(Threads)) == sorted((*facility.application_servers, *facility.callers))
    assert all(outage.from_s < at_s < outage.to_s for at_s in dumped_s(journal))


def test_a_night_in_which_service_comes_back_is_not_looked_at() -> None:
    """Each stale connection costs one transaction, and that is all."""
    journal = flown("fixed", SWITCHOVER)
    assert outages.of(journal) == ()
    assert dumped_s(journal) == []


def test_a_hang_is_no_outage_of_this_kind() -> None:
    """It is looked at as a hang."""
    assert outages.of(flown("original", SWITCHOVER + RESTART)) == ()
    assert flown("original", SWITCHOVER + RESTART).of(OperationEvent)
