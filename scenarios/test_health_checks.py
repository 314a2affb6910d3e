"""A database that is slow for a while: who is answered late, and who is refused because somebody acts on a health check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.verdict.recovery import facility_transactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.journal.reader import Journal
    from testbed.verdict.result import Result

SCENARIO = "health_checks"
PLAIN = "original"
DEEP = ("request_thread", "database", "liveness_probe")
FEW = 5


def failed(journal: Journal) -> int:
    """Return how many of the transactions that need the facility failed."""
    return sum(
        transaction.ended == "failed"
        for caller in journal.header.facility.callers
        for transaction in facility_transactions(journal, caller)
    )


@pytest.mark.fact("O8", "C6")
@pytest.mark.parametrize(("scenario", "variant"), [(SCENARIO, PLAIN)])
def test_who_asks_nothing_but_the_process_leaves_everybody_to_be_answered_late(
    replayed: Callable[[str, str], Result], scenario: str, variant: str
) -> None:
    """A slow database fails nobody by itself."""
    assert failed(replayed(scenario, variant).journal) == 0


@pytest.mark.fact("S9")
@pytest.mark.parametrize(("scenario", "variant"), [(SCENARIO, variant) for variant in DEEP])
def test_who_acts_on_a_health_check_that_asks_more_makes_slow_into_down(
    replayed: Callable[[str, str], Result], scenario: str, variant: str
) -> None:
    """The same slowness, and the same passengers: more than a few of them fail."""
    assert failed(replayed(scenario, variant).journal) > FEW
