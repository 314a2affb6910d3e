"""When a replay believes that nothing comes back any more, and waits until then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Observed
from testbed.journal.stuck import STUCK_S

if TYPE_CHECKING:
    from testbed.replay.running import Replay

SETTLE_S = 0.4  # so long, at least, nothing may come back before the replay believes that nothing will
SLOWEST_TIMES = 2  # and so many times as long as the slowest answer of the night took
CLOSING_QUIET_S = 20.0  # where not everything is stuck, so long nothing may come back before what waits is given up
CLOSING_WITHIN_S = 120.0  # and so long in all


def quiet_s(replay: Replay) -> float:
    """Return for how long nothing was sent, nothing has come back, and nothing was done that could make it."""
    return replay.recorder.t_s() - max(replay.load.last_sent_s, replay.load.last_response_s, replay.moved_s)


def patience_s(replay: Replay) -> float:
    """Return for how long nothing may come back before the replay believes that nothing will: longer than anything took that did."""
    return max(SETTLE_S, SLOWEST_TIMES * replay.load.slowest_answer_s) + replay.night.longest_timeout_s


def is_settled(replay: Replay) -> bool:
    """Whether everything has come back; or what has not waits where all is stuck, and has had the time that anything could take."""
    if not replay.load.all_sent:
        return False
    if replay.load.in_flight == 0:
        return True
    waiting = [caller for caller, count in replay.load.in_flight_at.items() if count]
    stuck = replay.state.at_rest() or all(replay.state.is_stuck(caller) for caller in waiting)
    return stuck and quiet_s(replay) > patience_s(replay)


def is_over(replay: Replay) -> bool:
    """Whether a condition that has not been seen will not be any more.

    The night is over, nobody does anything, all has settled, and so long that what is stuck would have been seen to be.
    """
    over = replay.recorder.now()[1] >= replay.night.to_s and not replay.at_work
    return over and is_settled(replay) and quiet_s(replay) > STUCK_S + 2 * replay.looker.every_s


async def wait_settled(replay: Replay) -> None:
    """Wait until every request was answered, or nothing comes back any more; write down what was looked at."""
    since_s = replay.moved_s = replay.recorder.t_s()
    more_s = replay.night.longest_timeout_s

    def given_up() -> bool:
        return quiet_s(replay) > CLOSING_QUIET_S + more_s

    await replay.wait_until(lambda: is_settled(replay) or given_up(), CLOSING_WITHIN_S + more_s)
    await replay.wait_round()
    stamp = replay.recorder.stamp()
    until_s = stamp["t_s"]
    replay.recorder.add(Observed(**stamp, phase="settle", since_s=max(since_s, until_s - patience_s(replay)), until_s=until_s))
