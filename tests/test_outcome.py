from __future__ import annotations

import pytest

from testbed import outcome
from tests.journals import CALLERS, SERVERS, NightBuilder, contained_night, hung_night


@pytest.mark.fact("O10")
def test_a_night_that_ends_with_every_caller_stuck_is_grounded() -> None:
    """The night of the case is grounded, with the crack through the whole airline."""
    journal = hung_night().journal()
    assert (outcome.outcome(journal), outcome.crack(journal)) == (outcome.GROUNDED, 6)


def test_a_night_with_errors_that_pass_is_contained() -> None:
    """Failed transactions that stop by themselves are contained, and no crack beyond the lookup."""
    journal = contained_night().journal()
    assert (outcome.outcome(journal), outcome.crack(journal)) == (outcome.CONTAINED, 1)


def test_a_night_in_which_all_is_answered_is_unharmed() -> None:
    """A night without a failed or unanswered transaction is unharmed."""
    night = NightBuilder()
    night.samples(0.0)
    night.request(0.5, "kiosk", "answered")
    night.end(1.0)
    assert outcome.outcome(night.journal()) == outcome.UNHARMED
    assert outcome.crack(night.journal()) == 0


@pytest.mark.fact("O9")
def test_a_night_that_took_a_restart_by_hand_is_grounded() -> None:
    """Service that came back because somebody restarted it did not come back by itself."""
    night = contained_night()
    night.events.pop()
    night.restart(5.6)
    night.end(6.0)
    assert outcome.outcome(night.journal()) == outcome.GROUNDED


def test_a_busy_service_that_makes_progress_is_not_stuck() -> None:
    """Full request threads whose results move on are load, not a hang."""
    night = NightBuilder()
    for number in range(8):
        night.samples(number / 10, busy=4, done=number)
    night.request(0.1, "kiosk", "answered")
    night.end(1.0)
    assert not any(outcome.stuck(night.journal(), service) for service in (*SERVERS, *CALLERS))


def test_requests_that_wait_without_a_stuck_caller_give_no_outcome() -> None:
    """A night that ended before it could be told how it goes on is neither contained nor grounded."""
    night = contained_night()
    night.events = [event for event in night.events if event.event not in ("end", "observed")]
    night.request(5.2, "kiosk", None)
    night.end(5.5)
    assert outcome.outcome(night.journal()) is None


@pytest.mark.parametrize("reason", ["interrupted", "failed"])
def test_a_replay_that_did_not_end_has_no_outcome(reason: str) -> None:
    """What was cut short tells nothing of what became of the airline."""
    night = hung_night()
    night.events = [event for event in night.events if event.event != "end"]
    night.end(5.6, reason)
    assert outcome.outcome(night.journal()) is None


@pytest.mark.fact("O1")
def test_time_to_hang_is_the_nights_from_the_end_of_the_switchover() -> None:
    """The hang began with the first stuck sample, on the night's clock, and counts from the switchover's end."""
    assert outcome.time_to_hang_s(hung_night().journal()) == pytest.approx((5.0 - 1.1) * 100)
    assert outcome.time_to_hang_s(contained_night().journal()) is None


@pytest.mark.parametrize(
    ("services", "level"),
    [(SERVERS[:1], 3), (SERVERS, 4), ((*SERVERS, CALLERS[0]), 5), ((*SERVERS, *CALLERS), 6)],
)
def test_the_crack_goes_as_far_as_the_last_thing_that_got_stuck(services: tuple[str, ...], level: int) -> None:
    """Server, facility, caller, airline: each level needs every service below it that its definition names."""
    night = NightBuilder()
    for number in range(6):
        for service in (*SERVERS, *CALLERS):
            night.sample(number / 10, service, busy=4 if service in services else 0)
    night.request(0.1, "kiosk", None)
    night.end(1.0)
    assert outcome.crack(night.journal()) == level


def test_transactions_are_counted_by_when_they_were_due_and_none_is_left_out() -> None:
    """Answered, failed and unanswered add up to what was sent, before and after the switchover."""
    journal = hung_night().journal()
    counts = outcome.transactions(journal)
    total = sum(count for names in counts.values() for halves in names.values() for ends in halves.values() for count in ends.values())
    assert total == len(journal.transactions) == 23
    assert counts["kiosk"]["check_in"]["before"] == {"answered": 1, "failed": 0, "unanswered": 0}
    assert counts["kiosk"]["check_in"]["after"] == {"answered": 0, "failed": 3, "unanswered": 4}


def test_failed_lookups_count_from_the_first_fault_on() -> None:
    """Lookups that failed before the fault are not its."""
    assert outcome.failed_lookups(hung_night().journal()) == {"cf-1": 4, "cf-2": 4}


def test_blocked_threads_are_those_of_the_last_time_a_service_was_stuck() -> None:
    """A service that was never stuck has none blocked."""
    assert set(outcome.blocked_request_threads(hung_night().journal()).values()) == {4}
    assert set(outcome.blocked_request_threads(contained_night().journal()).values()) == {0}
