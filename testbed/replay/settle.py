"""Decides when nothing comes back any more, and waits until then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Observed
from testbed.journal.stuck import STUCK_S

if TYPE_CHECKING:
    from testbed.replay.running import Replay

SETTLE_S = 0.4  # the least time without an answer before the replay concludes that none will come
SLOWEST_TIMES = 2  # and at least this many times the slowest answer of the night
CLOSING_QUIET_S = 20.0  # where not everything is stuck: the time without an answer after which the rest is given up
DELAY_WITHIN_S = 30.0  # the longest delay of a fault that is waited for
LAST_LOOK_WITHIN_S = 4.0  # for the last look at every service: two, where each takes as long as it may
CLOSING_WITHIN_S = 120.0  # and the longest wait in all


def quiet_s(replay: Replay) -> float:
    """Return for how many seconds nothing was sent, nothing came back, and no step of the timeline ended."""
    return replay.recorder.t_s() - max(replay.load.last_sent_s, replay.load.last_response_s, replay.moved_s)


def patience_s(replay: Replay) -> float:
    """Return how many quiet seconds mean that nothing comes back any more.

    More than the slowest answer took so far, than any time-out takes, and than an active fault can delay one: a slow answer that has not
    come yet is in no figure. A delay beyond `DELAY_WITHIN_S` is not waited for; the verdict then knows that nothing was seen of it.
    """
    return max(SETTLE_S, SLOWEST_TIMES * replay.load.slowest_answer_s) + _bounded_s(replay)


def longest_delay_s(replay: Replay) -> float:
    """Return the longest that an active fault can delay a transaction, in real seconds."""
    return max((active.longest_delay_s for active in replay.facility.active), default=0.0)


def _bounded_s(replay: Replay) -> float:
    """Return how long a time-out, and after it a delay that is waited for, may keep an answer back."""
    return replay.night.longest_timeout_s + min(longest_delay_s(replay), DELAY_WITHIN_S)


def is_settled(replay: Replay) -> bool:
    """Whether every request has come back, or the rest waits at stuck services and had longer than any answer could take."""
    if not replay.load.all_sent:
        return False
    if replay.load.in_flight == 0:
        return True
    waiting = [caller for caller, count in replay.load.in_flight_at.items() if count]
    stands = replay.state.at_rest() or all(replay.state.is_stuck(caller) for caller in waiting)
    return stands and quiet_s(replay) > patience_s(replay) and _was_seen(replay, waiting)


def _was_seen(replay: Replay, waiting: list[str]) -> bool:
    """Whether every service that stands still is called stuck, and the callers were seen to for the whole of the patience.

    The verdict will ask for that. Samples come late on a busy machine: what had been quiet for long enough may have been seen full only a
    moment ago, or in too few samples.
    """
    if replay.state.undecided:
        return False
    since_s = [standing_s for caller in waiting if (standing_s := replay.state.standing_since_s(caller)) is not None]
    return max(since_s, default=0.0) <= replay.recorder.t_s() - patience_s(replay)


def is_over(replay: Replay) -> bool:
    """Whether a condition that has not been seen cannot come any more.

    The night is over, no step is at work, all has settled, and for longer than it takes to see that a service is stuck.
    """
    over = replay.recorder.now()[1] >= replay.night.to_s and not replay.at_work
    return over and is_settled(replay) and quiet_s(replay) > STUCK_S + 2 * replay.looker.every_s


async def wait_settled(replay: Replay) -> None:
    """Wait until every request was answered, or nothing comes back any more; record the span that was observed."""
    since_s = replay.moved_s = replay.recorder.t_s()
    delay_s = longest_delay_s(replay)
    bounded_s = _bounded_s(replay)

    def given_up() -> bool:
        return quiet_s(replay) > CLOSING_QUIET_S + bounded_s

    await replay.wait_until(lambda: is_settled(replay) or given_up(), CLOSING_WITHIN_S + bounded_s)
    await replay.wait_round()
    await _look_at_all(replay)
    stamp = replay.recorder.stamp()
    until_s = stamp["t_s"]
    window_s = max(since_s, until_s - patience_s(replay))
    replay.recorder.add(Observed(**stamp, phase="settle", since_s=window_s, until_s=until_s, longest_delay_s=delay_s))


async def _look_at_all(replay: Replay) -> None:
    """Wait for a sample of every service that was taken after this moment: the numbers of one from before the last answer may be old."""
    since_s = replay.recorder.t_s()

    def seen() -> bool:
        last = replay.state.last
        return all(name in last and last[name].t_s > since_s for name in replay.facility.services)

    await replay.wait_until(seen, LAST_LOOK_WITHIN_S)
