from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from testbed.faultproxy import busy_poll
from testbed.faultproxy.busy_poll import CLOSE_S, BusyPoll


@dataclass
class FakeClock:
    """A clock that advances by `step_s` whenever it is read."""

    now_s: float = 100.0
    step_s: float = 0.0

    def perf_counter(self) -> float:
        """Return the time."""
        self.now_s += self.step_s
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Replace the clock of the module."""
    made = FakeClock()
    monkeypatch.setattr(busy_poll, "time", made)
    return made


def turns_after(clock: FakeClock, *gaps_s: float, step_s: float) -> int:
    """Record a message, and another after each gap; return for how many turns of the loop it polls, of 100 at most."""

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
            if clock.now_s == before_s:  # the time was not read: nothing polls
                break
            before_s, turns = clock.now_s, turns + 1
        return turns

    return asyncio.run(use())


def test_close_messages_keep_the_loop_polling_for_a_moment(clock: FakeClock) -> None:
    """The loop polls for `CLOSE_S` after close messages: here, a tenth of that passes in each turn."""
    assert turns_after(clock, CLOSE_S / 2, step_s=CLOSE_S / 10) in (10, 11)


def test_many_messages_start_one_poll(clock: FakeClock) -> None:
    """However many messages there were, a turn of the loop reads the clock once."""
    assert turns_after(clock, *[CLOSE_S / 20] * 8, step_s=CLOSE_S / 10) in (10, 11)


@pytest.mark.parametrize("gaps_s", [(), (CLOSE_S * 2,), (CLOSE_S * 2, 1.0)])
def test_messages_far_apart_start_no_poll(clock: FakeClock, gaps_s: tuple[float, ...]) -> None:
    """The loop sleeps after messages further apart than `CLOSE_S`, and after a single one."""
    assert turns_after(clock, *gaps_s, step_s=CLOSE_S / 10) == 0
