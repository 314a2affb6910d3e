from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from testbed.faultproxy import busy_poll
from testbed.faultproxy.busy_poll import CLOSE_S, BusyPoll


@dataclass
class Clock:
    """A clock that goes on by so much whenever it is read."""

    now_s: float = 100.0
    step_s: float = 0.0

    def perf_counter(self) -> float:
        """Give the time."""
        self.now_s += self.step_s
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the module have a clock of ours."""
    made = Clock()
    monkeypatch.setattr(busy_poll, "time", made)
    return made


def turns_after(clock: Clock, *gaps_s: float, step_s: float) -> int:
    """Use a connection once and again after each gap; gives in how many turns of the loop it then stayed awake, of a hundred at most."""

    async def use() -> int:
        poll = BusyPoll()
        poll.record_message()
        for gap_s in gaps_s:
            clock.now_s += gap_s
            poll.record_message()
        clock.step_s = step_s
        before_s, turns = clock.now_s, 0
        for _ in range(100):
            await asyncio.sleep(0)
            if clock.now_s == before_s:  # nobody asked for the time: nobody is awake
                break
            before_s, turns = clock.now_s, turns + 1
        return turns

    return asyncio.run(use())


def test_who_has_messages_close_to_each_other_stays_awake_for_a_moment(clock: Clock) -> None:
    """For no longer than they may be apart: here, a tenth of that goes by in each turn."""
    assert turns_after(clock, CLOSE_S / 2, step_s=CLOSE_S / 10) in (10, 11)


def test_many_messages_keep_it_awake_once(clock: Clock) -> None:
    """A turn asks for the time once, however many there were."""
    assert turns_after(clock, *[CLOSE_S / 20] * 8, step_s=CLOSE_S / 10) in (10, 11)


@pytest.mark.parametrize("gaps_s", [(), (CLOSE_S * 2,), (CLOSE_S * 2, 1.0)])
def test_who_has_messages_far_apart_sleeps(clock: Clock, gaps_s: tuple[float, ...]) -> None:
    """And so does who has had only one."""
    assert turns_after(clock, *gaps_s, step_s=CLOSE_S / 10) == 0
