from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed import scenario_file
from testbed.journal.events import OperationEvent
from testbed.plan.clock import NightClock, Pace
from testbed.replay.running_clock import LEAD_S, RunningClock
from testbed.verdict import judge
from testbed.verdict.finding import Verdict
from tests.nights import Flight, scenario

if TYPE_CHECKING:
    from pathlib import Path

# A minute of the night at 60 of its seconds in a real one, then an hour at 3600, and the rest at 600.
CLOCK = NightClock(0.0, 600.0, (Pace(0.0, 60.0, 60.0), Pace(60.0, 3660.0, 3600.0)))


def held(from_s: float, to_s: float) -> RunningClock:
    """Return a clock that was held from one real second to another."""
    running = RunningClock(CLOCK)
    running.hold(from_s)
    running.release(to_s)
    return running


def test_a_clock_that_is_not_held_goes_as_planned() -> None:
    """Both ways."""
    running = RunningClock(CLOCK)
    for night_s in (0.0, 30.0, 60.0, 2000.0, 10_000.0):
        assert running.real_s(night_s) == CLOCK.real_s(night_s)
        assert running.night_s(CLOCK.real_s(night_s)) == pytest.approx(night_s)


def test_a_hold_keeps_the_pace_of_its_begin_past_the_end_of_that_pace() -> None:
    """The minute would be over after 1 s; held from 0.5 to 3 s, the night has gone on for 3 s at 60, and then goes on at 3600."""
    running = held(0.5, 3.0)
    for after_s, night_s in ((0.5, 30.0), (1.0, 60.0), (2.0, 120.0), (3.0, 180.0), (3.5, 180.0 + 1800.0)):
        assert running.night_s(after_s) == pytest.approx(night_s)
        assert running.real_s(night_s) == pytest.approx(after_s)
    assert running.night_s(3.0 + (3660 - 180) / 3600 + 1.0) == pytest.approx(3660 + 600)


def test_a_hold_goes_through_any_number_of_paces() -> None:
    """Whatever was planned meanwhile comes later, or sooner."""
    running = RunningClock(CLOCK)
    running.hold(0.5)
    assert running.night_s(100.0) == pytest.approx(6000.0)
    assert running.real_s(6000.0) == pytest.approx(100.0)
    fast = RunningClock(CLOCK)
    fast.hold(1.5)
    assert fast.night_s(1.5 + 2.0) == pytest.approx(60 + 0.5 * 3600 + 2 * 3600)


def test_a_hold_within_one_pace_changes_nothing() -> None:
    """Nor does one at the very begin of a pace bring back the pace before it."""
    assert held(0.1, 0.9).real_s(5000.0) == pytest.approx(CLOCK.real_s(5000.0))
    late = held(1.0 - LEAD_S / 2, 1.2)
    assert late.night_s(1.2) == pytest.approx(CLOCK.night_s(1.2))


def test_steps_at_the_same_time_hold_it_together() -> None:
    """The first decides the pace, the last releases it."""
    running = RunningClock(CLOCK)
    running.hold(0.5)
    running.hold(2.0)
    running.release(3.0)
    assert running.night_s(4.0) == pytest.approx(240.0)
    running.release(5.0)
    assert running.night_s(6.0) == pytest.approx(3660.0 + 40.0)
    assert running.night_s(0.25) == pytest.approx(15.0)


def test_what_was_is_not_changed_by_what_comes() -> None:
    """A time of before a hold, or of within one that is over, keeps its place."""
    running = held(0.5, 3.0)
    before = [running.night_s(number / 10) for number in range(40)]
    running.hold(4.0)
    running.release(9.0)
    assert [running.night_s(number / 10) for number in range(40)] == pytest.approx(before)
    assert before == sorted(before)


@pytest.mark.parametrize("at_night_s", [45.0, 59.0])
def test_a_hold_that_comes_late_keeps_the_pace_of_its_time_from_now_on(at_night_s: float) -> None:
    """A busy machine comes to a step's time when it is over, perhaps with its whole pace: events have been stamped since."""
    running, late_s = RunningClock(CLOCK), 1.5
    stamped = [running.night_s(number / 100) for number in range(151)]
    running.hold(late_s, at_night_s)
    assert [running.night_s(number / 100) for number in range(151)] == stamped
    soon_s = late_s + LEAD_S
    assert running.night_s(soon_s + 2.0) == pytest.approx(CLOCK.night_s(soon_s) + 2.0 * 60.0)
    running.release(soon_s + 2.0)
    assert running.night_s(soon_s + 2.1) == pytest.approx(CLOCK.night_s(soon_s) + 120.0 + 360.0)


@pytest.mark.fact("C4")
def test_a_switchover_that_outlasts_its_pace_is_over_when_the_scenario_means_it(tmp_path: Path) -> None:
    """At 300 it takes seconds of the night; two seconds later the quiet hours begin, and it would be over after two in the morning.

    Whoever comes is held with the clock: every request is sent when it is due, at the pace that was held.
    """
    quick = scenario(tmp_path)
    text = quick.path.read_text().replace('from = "22:50", to = "23:10", speed = 3600 }', 'from = "22:50", to = "23:00:02", speed = 300 }')
    quick.path.write_text(text.replace('from = "23:10"', 'from = "23:00:02"'))
    flight = Flight(scenario_file.load(quick.path), "fixed", tmp_path)
    journal = flight.fly()
    begin, end = journal.of(OperationEvent)[:2]
    assert end.t_s - begin.t_s > 2 / 300
    assert end.night_s - begin.night_s == pytest.approx(300 * (end.t_s - begin.t_s), rel=0.01)
    assert [transaction.request.sent_s for transaction in journal.transactions] == pytest.approx(
        [transaction.request.due_s for transaction in journal.transactions]
    )
    planned = {request.id: request.due_night_s for request in flight.sent.requests}
    assert {transaction.request.id: transaction.request.night_s for transaction in journal.transactions} == pytest.approx(planned)
    assert judge.judge(journal).verdict is Verdict.HELD


def test_a_night_that_is_ordered_to_stand_still_goes_on_where_it_stood() -> None:
    """At 0.5 s it stands for 10 s; what was planned for later comes 10 s later, and before that never."""
    running = RunningClock(CLOCK)
    running.change_factor(0.5, 0.0)
    assert running.night_s(400.0) == pytest.approx(30.0)
    assert running.real_s(30.0) == 0.5
    assert running.real_s(31.0) == float("inf")
    assert running.speed(1.0) == 0.0
    running.change_factor(10.5, 1.0)
    for after_s, night_s in ((0.5, 30.0), (10.5, 30.0), (11.0, 60.0), (12.0, 3660.0)):
        assert running.night_s(after_s) == pytest.approx(night_s)
    assert running.real_s(60.0) == pytest.approx(11.0)


@pytest.mark.parametrize("factor", [0.1, 2.0, 100.0])
def test_a_night_goes_by_so_many_times_as_fast_as_ordered(factor: float) -> None:
    """From the order on; what was planned keeps its order and its times of the night."""
    running = RunningClock(CLOCK)
    running.change_factor(0.5, factor)
    assert running.night_s(0.5 + 0.25 / factor) == pytest.approx(45.0)
    assert running.real_s(3660.0) == pytest.approx(0.5 + 1.5 / factor)
    assert running.speed(0.6 / factor + 0.5) == pytest.approx(factor * CLOCK.speed_at(running.night_s(0.6 / factor + 0.5)))


def test_a_step_goes_on_at_its_pace_while_the_night_is_ordered_to_stand_and_go() -> None:
    """Held at 60 from 0.5 s on, it stands from 1 to 5 s, goes twice as fast until the step ends at 6 s, and as fast from then on."""
    running = RunningClock(CLOCK)
    running.hold(0.5)
    running.change_factor(1.0, 0.0)
    running.change_factor(5.0, 2.0)
    running.release(6.0)
    for after_s, night_s in ((0.5, 30.0), (1.0, 60.0), (4.0, 60.0), (5.0, 60.0), (6.0, 180.0), (6.25, 180.0 + 1800.0)):
        assert running.night_s(after_s) == pytest.approx(night_s)
        assert running.night_s(running.real_s(night_s)) == pytest.approx(night_s)


@given(
    st.lists(
        st.tuples(st.sampled_from(["hold", "release", "stand", "slow", "go", "fast"]), st.floats(0.01, 2.0)),
        max_size=12,
    )
)
def test_whatever_is_ordered_and_held_the_clock_never_goes_back(orders: list[tuple[str, float]]) -> None:
    """Nor do the past and what was due in it change: what has gone by has gone by."""
    running, now_s, past = RunningClock(CLOCK), 0.0, [(0.0, 0.0)]
    for order, takes_s in orders:
        now_s += takes_s
        past += [(now_s - takes_s / 2, running.night_s(now_s - takes_s / 2)), (now_s, running.night_s(now_s))]
        if order == "hold":
            running.hold(now_s)
        elif order == "release" and running.holds:
            running.release(now_s)
        elif order in (factors := {"stand": 0.0, "slow": 0.5, "go": 1.0, "fast": 3.0}):
            running.change_factor(now_s, factors[order])
        assert [running.night_s(after_s) for after_s, _ in past] == pytest.approx([night_s for _, night_s in past], abs=1e-6)
    nights = [running.night_s(now_s * share / 50) for share in range(60)]
    assert nights == sorted(nights)
