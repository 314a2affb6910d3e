from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from testbed.replay.settle import is_settled, wait_settled
from testbed.replay.state import FacilityState
from tests.nights import sample

if TYPE_CHECKING:
    from collections.abc import Callable

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


class Rounds(SimpleNamespace):
    """A replay whose only request is answered; in each round of samples it is at, some services are sampled."""

    def __init__(self, *rounds: tuple[str, ...]) -> None:
        self.load = SimpleNamespace(all_sent=True, in_flight=0, last_sent_s=7.0, last_response_s=9.9, slowest_answer_s=0.5)
        self.night, self.moved_s = SimpleNamespace(longest_timeout_s=0.0), 0.0
        self.facility = SimpleNamespace(active=[], services=("cf-1", "kiosk"))
        self.state, self.now_s, self.rounds = FacilityState(("cf-1",), ("kiosk",)), NOW_S, list(rounds)
        self.added: list[Any] = []
        self.recorder = SimpleNamespace(t_s=lambda: self.now_s, stamp=lambda: {"t_s": self.now_s, "night_s": 0.0}, add=self.added.append)

    async def wait_round(self) -> None:
        """Take the samples of the next round."""
        self.now_s += 0.1
        for service in self.rounds.pop(0):
            self.state.take(sample(self.now_s, service))

    async def wait_until(self, reached: Callable[[], bool], within_s: float) -> bool:
        """Take rounds until it is reached."""
        until_s = self.now_s + within_s
        while not reached() and self.now_s < until_s:
            await self.wait_round()
        return reached()


def test_every_service_is_looked_at_after_the_last_answer() -> None:
    """One of which no sample came in the round after it is waited for: its numbers may be older than the answer."""
    waiting = Rounds(("cf-1", "kiosk"), ("kiosk",), ("cf-1",), ("cf-1", "kiosk"))
    asyncio.run(wait_settled(waiting))  # type: ignore[arg-type]
    assert len(waiting.rounds) == 1
    assert waiting.added[0].until_s == pytest.approx(NOW_S + 0.3)
