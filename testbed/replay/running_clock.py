"""The night's clock as it runs: as planned, but while a step of the timeline is carried out it goes on at the pace of the step's begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.facility.load_generator import AS_PLANNED, Rate, planned_s, real_s

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

    def night_s(self, after_s: float) -> float:
        """Return the night's time `after_s` real seconds after its start."""
        return self.clock.night_s(planned_s(self.rates, after_s))

    def real_s(self, night_s: float) -> float:
        """Return the real seconds from the night's start to a time of the night, as far as is known now."""
        return self.due_s(self.clock.real_s(night_s))

    def due_s(self, planned: float) -> float:
        """Return the real seconds after the night's start at which something is due that was planned for then."""
        return real_s(self.rates, planned)

    def hold(self, after_s: float, at_night_s: float | None = None) -> None:
        """Go on at the pace of a moment until as many `release` as `hold` were called; the first hold decides the pace.

        The moment is a time of the night, or else soon after `after_s` real seconds from the night's start. What has gone by has gone by: a
        time of the night that is over by now gives the pace, and the night goes on at it soon.
        """
        self.holds += 1
        if self.holds > 1:
            return
        soon_s = max(0.0, after_s) + LEAD_S
        from_s = soon_s if at_night_s is None else max(soon_s, self.real_s(at_night_s))
        due_s = planned_s(self.rates, from_s)
        night_s = self.clock.night_s(due_s)
        held = self.clock.speed_at(night_s if at_night_s is None else at_night_s)
        rates = []
        for start_s, speed in self.clock.speeds_after(night_s):
            starts_s = from_s + (start_s - night_s) / held
            rates.append(Rate(starts_s, due_s + self.clock.real_s(start_s) - self.clock.real_s(night_s), held / speed))
        self.rates = (*(rate for rate in self.rates if rate.from_s < from_s), *rates)

    def release(self, after_s: float) -> None:
        """Go on as planned, from the night's time of this moment."""
        self.holds -= 1
        if self.holds == 0:
            from_s = max(0.0, after_s)
            now = Rate(from_s, planned_s(self.rates, from_s), 1.0)
            self.rates = (*(rate for rate in self.rates if rate.from_s < from_s), now)
