"""One of two servers falls silent: who is still served by the other, with a time-out around each call and without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.journal.events import OperationEvent
from testbed.verdict.recovery import facility_transactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.journal.reader import Journal
    from testbed.verdict.result import Result

SCENARIO = "silent_server"
LAST = 5
LATE_S = 3.0  # real seconds after the fault: without a time-out, all threads are taken by then


def shares(journal: Journal) -> dict[str, float]:
    """Return, by caller, which share of the transactions due later than `LATE_S` after the fault was answered, whatever they need."""
    (fault,) = (event for event in journal.of(OperationEvent) if (event.operation, event.state) == ("silence", "end"))
    late = [transaction for transaction in journal.transactions if transaction.request.due_s > fault.t_s + LATE_S]
    by_caller = {
        caller: [transaction.ended == "answered" for transaction in late if transaction.request.caller == caller]
        for caller in journal.header.facility.callers
    }
    return {caller: sum(answered) / len(answered) for caller, answered in by_caller.items()}


@pytest.mark.fact("S3")
@pytest.mark.parametrize(("scenario", "variant"), [(SCENARIO, "call_timeout")])
def test_a_call_that_waits_only_so_long_keeps_every_caller_in_service(
    replayed: Callable[[str, str], Result], scenario: str, variant: str
) -> None:
    """Some are answered while every second call still goes to the silent server, all once it is left out; and all that need no call."""
    journal = replayed(scenario, variant).journal
    assert min(shares(journal).values()) > 0.1
    for caller in journal.header.facility.callers:
        assert {transaction.ended for transaction in facility_transactions(journal, caller)[-LAST:]} == {"answered"}
    own = [
        transaction.ended
        for transaction in journal.transactions
        if not journal.header.transactions[transaction.request.caller][transaction.request.transaction]
    ]
    assert (set(own), len(own) > 10) == ({"answered"}, True)


@pytest.mark.fact("S3", "O10")
@pytest.mark.parametrize(("scenario", "variant"), [(SCENARIO, "original")])
def test_without_a_time_out_one_silent_server_stops_every_caller(
    replayed: Callable[[str, str], Result], scenario: str, variant: str
) -> None:
    """The other server is well and idle, and nobody is served."""
    assert max(shares(replayed(scenario, variant).journal).values()) == 0


@pytest.mark.fact("S4")
@pytest.mark.parametrize(("scenario", "variant"), [(SCENARIO, "service_groups")])
def test_the_trouble_of_a_group_s_server_stays_with_the_group(replayed: Callable[[str, str], Result], scenario: str, variant: str) -> None:
    """The kiosk's callers get nothing, and the telephone's everything."""
    assert shares(replayed(scenario, variant).journal) == {"kiosk": 0, "ivr": 1}
