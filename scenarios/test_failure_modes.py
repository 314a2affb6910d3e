"""One fault over eight variants: how each fails is seen from outside, by real requests, and the verdict agrees with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scenarios.conftest import PLANS
from testbed.plan.expectation import Crack
from testbed.verdict import figures, outcome
from testbed.verdict.recovery import facility_transactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from scenarios.layers import Answers
    from testbed.journal.reader import Journal
    from testbed.verdict.result import Result

SCENARIO = "failure_modes"
VARIANTS = tuple(variant.name for variant in PLANS[SCENARIO].variants)
SERVERS, CALLERS = ("cf-1", "cf-2"), ("kiosk", "ivr", "partner")
STALE = 2 * 10  # connections that the switchover leaves in the pools
OWN_GROUP, OTHER_GROUP = "kiosk", ("ivr", "partner")
# What a lookup of each server, what each caller's transaction that needs the facility, and what one that does not came back with.
DAMAGE = {
    "original": ("silent", "silent", "silent"),
    "service_groups": ("silent", "silent", "silent"),
    "bulkhead": ("silent", "failed", "answered"),
    "checkout_timeout": ("failed", "failed", "answered"),
    "fixed": ("answered", "answered", "answered"),
    "pre_ping": ("answered", "answered", "answered"),
    "hardened": ("answered", "answered", "answered"),
}


def failed_after_fault(journal: Journal) -> int:
    """Count the transactions that were not answered: all of them were until the fault."""
    return sum(transaction.ended != "answered" for transaction in journal.transactions)


@pytest.mark.fact("S8")
@pytest.mark.parametrize(("scenario", "variant"), [(SCENARIO, variant) for variant in DAMAGE])
def test_a_crack_stopper_decides_the_damage_that_is_seen_from_outside(
    asked: Callable[[str, str], Answers], scenario: str, variant: str
) -> None:
    """The trigger is the same and the database is well; silence reaches up to where it is stopped, and every health check is green."""
    answers = asked(scenario, variant)
    assert (answers.database, set(answers.health.values())) == ("answered", {"answered"})
    server, needing, alone = DAMAGE[variant]
    assert answers.servers == dict.fromkeys(SERVERS, server)
    assert answers.needing == dict.fromkeys(CALLERS, needing)
    assert answers.alone == dict.fromkeys(CALLERS, alone)


@pytest.mark.fact("S8")
@pytest.mark.parametrize(("scenario", "variant"), [(SCENARIO, variant) for variant in VARIANTS])
def test_the_crack_of_the_journal_is_that_which_is_seen_from_outside(
    asked: Callable[[str, str], Answers], replayed: Callable[[str, str], Result], scenario: str, variant: str
) -> None:
    """The level that samples tell is the level that requests tell; only errors that are over leave nothing to be seen."""
    journal = replayed(scenario, variant).journal
    told = outcome.crack(journal, figures.of(journal))
    assert asked(scenario, variant).crack == (Crack.NOTHING if told == Crack.LOOKUP else told)


@pytest.mark.fact("S4")
@pytest.mark.parametrize(("scenario", "variant"), [(SCENARIO, "own_databases")])
def test_the_trouble_of_a_group_with_a_database_of_its_own_stays_with_it(
    asked: Callable[[str, str], Answers], replayed: Callable[[str, str], Result], scenario: str, variant: str
) -> None:
    """The kiosk's group stands still to the end, and of the other callers every single transaction was answered."""
    answers, journal = asked(scenario, variant), replayed(scenario, variant).journal
    assert answers.servers == {"cf-1": "silent", "cf-2": "answered"}
    assert answers.needing == answers.alone == {OWN_GROUP: "silent", **dict.fromkeys(OTHER_GROUP, "answered")}
    others = [transaction for transaction in journal.transactions if transaction.request.caller in OTHER_GROUP]
    assert {transaction.ended for transaction in others} == {"answered"}
    assert len(others) > 40


@pytest.mark.fact("S4", "O10")
@pytest.mark.parametrize(("scenario", "variant"), [(SCENARIO, "service_groups")])
def test_the_trouble_of_a_database_that_groups_share_does_not(replayed: Callable[[str, str], Result], scenario: str, variant: str) -> None:
    """With the same groups over one database, the last transactions of every caller were never answered."""
    journal = replayed(scenario, variant).journal
    for caller in CALLERS:
        assert {transaction.ended for transaction in facility_transactions(journal, caller)[-5:]} == {"unanswered"}


@pytest.mark.fact("S10")
@pytest.mark.parametrize(("scenario", "variant"), [(SCENARIO, variant) for variant in ("original", "fixed", "hardened", "pre_ping")])
def test_a_fault_need_not_become_an_error_nor_an_error_a_failure(
    replayed: Callable[[str, str], Result], scenario: str, variant: str
) -> None:
    """The same dead connections: errors and failures (and an outage, or not), errors without a failure, and not even errors."""
    journal = replayed(scenario, variant).journal
    errors = sum(figures.failed_operations(journal).values())
    failures = failed_after_fault(journal)
    assert (errors > 0, failures > 0) == {
        "original": (True, True),
        "fixed": (True, True),
        "hardened": (True, False),
        "pre_ping": (False, False),
    }[variant]
    if variant == "fixed":
        assert errors == failures == STALE
    if variant == "hardened":
        assert errors < STALE  # the first that is met discards the others of its age
