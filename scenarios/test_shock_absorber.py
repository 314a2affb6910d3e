"""What a broker between a passenger and the facility is good for, while the facility is down (S5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.journal.events import OperationEvent
from testbed.verdict.recovery import needs_facility

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testbed.journal.reader import Journal, Transaction
    from testbed.verdict.result import Result

SCENARIO = "shock_absorber"
QUICK_S = 0.5  # real seconds, of a busy machine; an idle one takes a hundredth
pytestmark = pytest.mark.fact("S5")


def outage(journal: Journal) -> tuple[float, float]:
    """Return when the database was down (`t_s`): from the end of the fault's injection until the healing began."""
    operations = journal.of(OperationEvent)
    (down_s,) = (event.t_s for event in operations if (event.operation, event.state) == ("refuse", "end"))
    (healing_s,) = (event.t_s for event in operations if (event.operation, event.state) == ("heal", "begin"))
    return down_s, healing_s


def due_in_outage(journal: Journal, *, needing: bool) -> list[Transaction]:
    """Return the transactions due while the database was down, and early enough for an answer in time to be seen."""
    down_s, healing_s = outage(journal)
    return [
        transaction
        for transaction in journal.transactions
        if down_s < transaction.request.due_s < healing_s - QUICK_S and needs_facility(journal, transaction) is needing
    ]


def answered(transactions: Sequence[Transaction], until_s: float = float("inf")) -> int:
    """Count those that were answered until a time."""
    return sum(
        transaction.ended == "answered" and transaction.response is not None and transaction.response.answered_s <= until_s
        for transaction in transactions
    )


@pytest.mark.parametrize(("scenario", "variant"), [(SCENARIO, "decoupled")])
def test_a_caller_goes_on_and_what_was_handed_over_is_done_afterwards(
    replayed: Callable[[str, str], Result], scenario: str, variant: str
) -> None:
    """During the outage all that needs the caller alone is answered; of the rest nothing is then, and everything after it."""
    journal = replayed(scenario, variant).journal
    _, healing_s = outage(journal)
    own, handed_over = due_in_outage(journal, needing=False), due_in_outage(journal, needing=True)
    assert (len(own) > 3, answered(own, healing_s)) == (True, len(own))
    assert len(handed_over) > 20
    assert (answered(handed_over, healing_s), answered(handed_over)) == (0, len(handed_over))


@pytest.mark.parametrize(("scenario", "variant"), [(SCENARIO, "patient")])
def test_without_the_broker_the_same_patience_stops_the_caller(replayed: Callable[[str, str], Result], scenario: str, variant: str) -> None:
    """The same work is done afterwards; but once all threads wait for it, nobody is answered, whatever he asks for."""
    journal = replayed(scenario, variant).journal
    _, healing_s = outage(journal)
    own, waited_for = due_in_outage(journal, needing=False), due_in_outage(journal, needing=True)
    assert answered(own, healing_s) < len(own) == answered(own)
    assert answered(waited_for) == len(waited_for) > 20


@pytest.mark.parametrize(("scenario", "variant"), [(SCENARIO, "fixed")])
def test_without_patience_the_work_is_lost(replayed: Callable[[str, str], Result], scenario: str, variant: str) -> None:
    """Nobody waits, and nothing that was asked for during the outage is ever done."""
    lost = due_in_outage(replayed(scenario, variant).journal, needing=True)
    assert (len(lost) > 20, answered(lost)) == (True, 0)
