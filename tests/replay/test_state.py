from __future__ import annotations

import pytest

from testbed.replay.state import FacilityState
from tests.nights import sample

SERVERS, CALLERS = ("cf-1", "cf-2"), ("kiosk", "ivr")


def state_after(
    *, busy: int | None = 4, leaked: int = 4, services: tuple[str, ...] = (*SERVERS, *CALLERS), rounds: int = 6
) -> FacilityState:
    """Return the state after some rounds of the same samples."""
    state = FacilityState(SERVERS, CALLERS)
    for number in range(rounds):
        for service in services:
            state.take(sample(number / 10, service, busy=busy, leaked=leaked if service in SERVERS else None))
    return state


def test_a_state_without_samples_claims_nothing() -> None:
    """Neither trouble nor recovery."""
    state = FacilityState(SERVERS, CALLERS)
    assert not any(state.holds(condition) for condition in ("hung", "servers_hung", "pool_empty", "recovered"))
    assert (state.stuck, state.blocked_servers(), state.text()) == ((), (), "nothing seen yet")


def test_all_hangs_when_every_caller_is_stuck() -> None:
    """With one caller left, the airline does not stand still."""
    assert state_after().hung()
    state = state_after(services=(*SERVERS, "kiosk"))
    assert (state.hung(), state.servers_hung(), state.stuck) == (False, True, (*SERVERS, "kiosk"))


def test_since_when_all_hangs_is_since_the_last_caller_is_stuck() -> None:
    """The first sample of its standstill, on the journal's clock."""
    state = state_after(services=("kiosk",))
    assert state.hung_since_s() is None
    for number in range(6):
        state.take(sample(0.7 + number / 10, "ivr", busy=4))
    assert state.hung_since_s() == pytest.approx(0.7)


def test_pools_are_empty_when_every_connection_of_every_server_has_leaked() -> None:
    """Three of four are not all."""
    assert state_after(busy=0).pool_empty()
    assert not state_after(busy=0, leaked=3).pool_empty()


def test_a_look_that_goes_unanswered_changes_no_condition_but_recovery() -> None:
    """What was known of threads and pool stands; health is what was seen last."""
    state = state_after()
    state.take(sample(0.6, "cf-1", busy=None, health=False))
    assert (state.hung(), state.servers_hung(), state.pool_empty()) == (True, True, True)
    assert state.request_threads("cf-1") == 4
    well = state_after(busy=0, leaked=0)
    assert well.recovered()
    well.take(sample(0.6, "cf-1", busy=None, health=False))
    assert not well.recovered()
    assert "cf-1 does not answer" in well.text()


def test_a_server_without_a_connection_is_blocked_before_its_threads_are() -> None:
    """What an operator would restart: stuck, or with an empty pool."""
    assert state_after(busy=1).blocked_servers() == SERVERS
    assert state_after(leaked=0).blocked_servers() == SERVERS
    assert state_after(busy=1, leaked=3).blocked_servers() == ()


def test_what_was_seen_of_a_service_is_forgotten_with_its_process() -> None:
    """A server that was restarted is neither stuck nor recovered until it is seen."""
    state = state_after()
    for service in (*SERVERS, *CALLERS):
        state.forget(service)
    assert (state.stuck, state.pool_empty(), state.recovered()) == ((), False, False)


def test_a_facility_is_at_rest_when_nobody_works_on_anything() -> None:
    """Idle servers and those that serve nobody any more; one that is at work, or that nobody has seen, is not at rest."""
    assert state_after(busy=0, leaked=0).at_rest()
    assert state_after().at_rest()
    assert state_after(busy=1, leaked=4).at_rest()  # no connection left that could come back
    assert not state_after(busy=1, leaked=3).at_rest()
    assert not state_after(services=("cf-1",), busy=0).at_rest()
    state = state_after(busy=1, leaked=4)
    state.take(sample(1.0, "cf-2", busy=0, leaked=3))  # the other one is alive, and has nothing to do
    assert state.at_rest()


@pytest.mark.parametrize(("overflow", "empty"), [(0.0, True), (1.0, False), (float("inf"), False)])
def test_a_pool_that_may_still_open_connections_is_not_empty(overflow: float, *, empty: bool) -> None:
    """However many have leaked; its server serves, and is none of those that an operator would restart."""
    state = FacilityState(SERVERS, CALLERS, pool_overflow=overflow)
    for server in SERVERS:
        state.take(sample(0.0, server, busy=0, leaked=4))
    assert state.pool_empty() is empty
    assert state.blocked_servers() == (SERVERS if empty else ())


def test_a_service_that_was_seen_full_too_few_times_has_not_recovered() -> None:
    """It may be stuck, which one look more would tell; a free thread tells that it is not."""
    state = state_after(busy=0, leaked=0)
    for number in range(3):
        state.take(sample(1.0 + number / 10, "cf-1", busy=4, leaked=0))
        assert (state.undecided, state.recovered()) == (("cf-1",), False)
    state.take(sample(1.4, "cf-1", busy=3, leaked=0))
    assert state.recovered()
