"""What the gate compares of a replay, and by how much more than in the baseline it has to be worse. Data and pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from testbed.experiments.matrix.cell import RANK

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.experiments.matrix.cell import Replay

ANSWERED_MARGIN = 0.05  # of all transactions due after the fault
DIGITS = 9  # so that a difference of just the margin is not more than it
FACTOR = 2.0  # of times: less is the machine's own doing
LATENCY_MARGIN_S, RECOVERY_MARGIN_S = 0.5, 2.0


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that can get worse: how bad it was in a replay whose outcome is known (None: that was not kept), and its margin."""

    word: str
    badness: Callable[[Replay], float | None]
    factor: float = 1.0
    margin: float = 0.0

    def limit(self, badness: float) -> float:
        """Return the most that is not worse than this badness: what comes by itself from a busier machine or other chances."""
        return round(badness * self.factor + self.margin, DIGITS)


def outcome_badness(rank: int, crack: int) -> float:
    """Return how bad an outcome of this rank with this crack is, as a number: the outcome first."""
    return 10.0 * rank + crack


def _outcome(replay: Replay) -> float | None:
    return None if replay.outcome is None else outcome_badness(RANK[replay.outcome], replay.crack)


def _answered(replay: Replay) -> float | None:
    return None if replay.answered is None else round(1.0 - (1.0 if replay.answered.share is None else replay.answered.share), DIGITS)


def _median(replay: Replay) -> float | None:
    return None if replay.waited is None else _seconds(replay.waited.median_s)


def _p99(replay: Replay) -> float | None:
    return None if replay.waited is None else _seconds(replay.waited.p99_s)


def _recovery(replay: Replay) -> float | None:
    return None if replay.answered is None else _seconds(replay.recovery_s)


def _seconds(seconds: float | None) -> float:
    return inf if seconds is None else seconds  # never


OUTCOME = Measure("outcome and crack", _outcome)
MEASURES = (
    OUTCOME,
    Measure("answered", _answered, margin=ANSWERED_MARGIN),
    Measure("median wait", _median, FACTOR, LATENCY_MARGIN_S),
    Measure("99 % wait", _p99, FACTOR, LATENCY_MARGIN_S),
    Measure("recovery", _recovery, FACTOR, RECOVERY_MARGIN_S),
)
