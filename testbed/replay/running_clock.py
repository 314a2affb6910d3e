"""The night's clock as it runs: as planned, but for steps of the timeline, each of which goes on at the pace of its begin, and for orders.

Two maps, one after the other: `_speeds` from real seconds to those of a clock that nobody ordered to go faster, slower or to stand
still; `_held` from these to planned ones. `rates` are both at once, as the load generator hears of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.facility.load_generator import AS_PLANNED, Rate, planned_s, rate_at, real_s

if TYPE_CHECKING:
    from testbed.plan.clock import NightClock

LEAD_S = 0.02  # from a step whose time nobody knew before to its hold: the load generator has to hear of it


@dataclass(slots=True)
class RunningClock:
    """Maps real seconds after the night's start to the night's time and back.

    The facility does its work in real seconds. A switchover that takes longer than its minute of the night must not run on into hours
    that go by three hundred times as fast: it would be over when the morning has begun.
    """

    clock: NightClock
    rates: tuple[Rate, ...] = AS_PLANNED
    holds: int = 0
    _held: tuple[Rate, ...] = AS_PLANNED
    _speeds: tuple[Rate, ...] = AS_PLANNED

    @property
    def factor(self) -> float:
        """How many times as fast as planned the night goes by; 0 while it stands still."""
        return self._speeds[-1].rate

    def night_s(self, after_s: float) -> float:
        """Return the night's time `after_s` real seconds after its start."""
        return self.clock.night_s(planned_s(self.rates, after_s))

    def real_s(self, night_s: float) -> float:
        """Return the real seconds from the night's start to a time of the night, as far as is known now; infinity while it stands still."""
        return self.due_s(self.clock.real_s(night_s))

    def due_s(self, planned: float) -> float:
        """Return the real seconds after the night's start at which something is due that was planned for then."""
        return real_s(self.rates, planned)

    def speed(self, after_s: float) -> float:
        """Return how many seconds of the night go by in a real second, `after_s` real seconds after its start."""
        return self.clock.speed_at(self.night_s(after_s)) * rate_at(self.rates, after_s)

    def change_factor(self, after_s: float, factor: float) -> None:
        """Go on `factor` times as fast as planned from this moment, or stand still (0)."""
        from_s = max(0.0, after_s)
        self._speeds = _changed(self._speeds, from_s, [Rate(from_s, planned_s(self._speeds, from_s), factor)])
        self._compose()

    def hold(self, after_s: float, at_night_s: float | None = None) -> None:
        """Go on at the pace of a moment until as many `release` as `hold` were called; the first hold decides the pace.

        The moment is a time of the night, or else soon after `after_s` real seconds from the night's start. What has gone by has gone by: a
        time of the night that is over by now gives the pace, and the night goes on at it soon.
        """
        self.holds += 1
        if self.holds > 1:
            return
        soon_s = planned_s(self._speeds, max(0.0, after_s) + LEAD_S)
        from_s = soon_s if at_night_s is None else max(soon_s, real_s(self._held, self.clock.real_s(at_night_s)))
        due_s = planned_s(self._held, from_s)
        night_s = self.clock.night_s(due_s)
        held = self.clock.speed_at(night_s if at_night_s is None else at_night_s)
        rates = []
        for start_s, speed in self.clock.speeds_after(night_s):
            starts_s = from_s + (start_s - night_s) / held
            rates.append(Rate(starts_s, due_s + self.clock.real_s(start_s) - self.clock.real_s(night_s), held / speed))
        self._held = _changed(self._held, from_s, rates)
        self._compose()

    def release(self, after_s: float) -> None:
        """Go on as planned, from the night's time of this moment."""
        self.holds -= 1
        if self.holds == 0:
            from_s = planned_s(self._speeds, max(0.0, after_s))
            self._held = _changed(self._held, from_s, [Rate(from_s, planned_s(self._held, from_s), 1.0)])
            self._compose()

    def _compose(self) -> None:
        """Make one map of both: wherever one of them bends, so does it.

        What is known exactly is not computed from the other map: a bend that rounding moves before its own begin would be lost.
        """
        bends = [(rate.from_s, rate.due_s) for rate in self._speeds]
        bends += [(real_s(self._speeds, rate.from_s), rate.from_s) for rate in self._held]
        rates, running_s = [], 0.0
        for from_s, bend_s in sorted(bend for bend in bends if math.isfinite(bend[0])):
            running_s = max(running_s, bend_s)
            rates.append(Rate(from_s, planned_s(self._held, running_s), rate_at(self._speeds, from_s) * rate_at(self._held, running_s)))
        self.rates = tuple(rates)


def _changed(before: tuple[Rate, ...], from_s: float, rates: list[Rate]) -> tuple[Rate, ...]:
    return (*(rate for rate in before if rate.from_s < from_s), *rates)
