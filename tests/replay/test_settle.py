from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from testbed.replay.settle import is_settled
from testbed.replay.state import FacilityState
from tests.nights import sample

NOW_S = 10.0


def replay(stuck_since_s: float) -> Any:
    """Return what settling knows of a replay whose one caller has been stuck since a time, and nothing came back for three seconds."""
    state = FacilityState(("cf-1",), ("kiosk",))
    for number in range(20):
        at_s = stuck_since_s + number * (NOW_S - stuck_since_s) / 19
        state.take(sample(at_s, "kiosk", busy=4))
        state.take(sample(at_s, "cf-1", busy=4, leaked=4))
    load = SimpleNamespace(
        all_sent=True, in_flight=1, in_flight_at={"kiosk": 1}, last_sent_s=7.0, last_response_s=7.0, slowest_answer_s=0.5
    )
    night = SimpleNamespace(longest_timeout_s=0.0)
    facility = SimpleNamespace(active=[])
    return SimpleNamespace(state=state, load=load, night=night, facility=facility, moved_s=0.0, recorder=SimpleNamespace(t_s=lambda: NOW_S))


@pytest.mark.parametrize(("stuck_since_s", "settled"), [(7.2, True), (8.9, True), (9.3, False)])
def test_what_waits_has_to_be_seen_stuck_for_the_whole_of_the_patience(stuck_since_s: float, *, settled: bool) -> None:
    """On a busy machine samples come late, and the verdict asks for the whole of the closing window."""
    waiting = replay(stuck_since_s)
    assert waiting.state.is_stuck("kiosk")
    assert is_settled(waiting) is settled


def test_a_caller_that_is_about_to_be_stuck_is_waited_for() -> None:
    """Its servers are at rest, as their pools are empty; that it stands still was seen for a third of a second, and it has requests."""
    waiting = replay(9.7)
    assert (waiting.state.at_rest(), waiting.state.is_stuck("kiosk")) == (True, False)
    assert is_settled(waiting) is False


def test_a_server_that_was_seen_full_too_few_times_is_looked_at_again() -> None:
    """Its caller is stuck, its pool is empty, nothing moves; the verdict could not say of it that it was stuck."""
    waiting = replay(7.2)
    waiting.state.forget("cf-1")
    for at_s in (8.0, 9.0, 10.0):
        waiting.state.take(sample(at_s, "cf-1", busy=4, leaked=4))
    assert (waiting.state.undecided, is_settled(waiting)) == (("cf-1",), False)
    waiting.state.take(sample(NOW_S, "cf-1", busy=4, leaked=4))
    assert (waiting.state.undecided, is_settled(waiting)) == ((), True)


def test_a_server_that_has_fallen_silent_is_not_waited_for() -> None:
    """Further looks at it tell nothing."""
    waiting = replay(7.2)
    waiting.state.forget("cf-1")
    waiting.state.take(sample(8.0, "cf-1", busy=4, leaked=4))
    waiting.state.take(sample(9.0, "cf-1", busy=None))
    assert waiting.state.undecided == ()
