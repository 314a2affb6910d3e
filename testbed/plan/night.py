"""The night: its date, its window, and how fast it goes by."""

from __future__ import annotations

import datetime
import functools
from typing import Annotated

from pydantic import Field

from testbed.plan.clock import MINUTE_S, NightClock, Pace, parse_time
from testbed.plan.settings import StrictRecord

TimeOfDay = Annotated[str, Field(pattern=r"^[0-9]{2}:[0-9]{2}(:[0-9]{2})?$")]
MOST_PACES = 100
Speed = Annotated[float, Field(gt=0, le=1_000_000)]


class PacePlan(StrictRecord):
    """A part of the night with a speed of its own."""

    from_: Annotated[TimeOfDay, Field(alias="from")]
    to: TimeOfDay
    speed: Speed


class NightPlan(StrictRecord):
    """The night: the date on which it begins, its window, and how fast it goes by (seconds of the night in a real second)."""

    date: datetime.date
    from_: Annotated[TimeOfDay, Field(alias="from")]
    to: TimeOfDay
    speed: Speed = 3600
    pace: Annotated[tuple[PacePlan, ...], Field(max_length=MOST_PACES)] = ()

    @property
    def from_s(self) -> float:
        """The start, in seconds of the night."""
        return parse_time(self.from_)

    def time_s(self, text: str) -> float:
        """Parse a time of day of this night; one before its start belongs to the next morning."""
        return parse_time(text, self.from_s)

    @property
    def to_s(self) -> float:
        """The end, in seconds of the night."""
        return self.time_s(self.to)

    @property
    def minutes(self) -> float:
        """The window's length, in minutes."""
        return (self.to_s - self.from_s) / MINUTE_S

    def clock(self) -> NightClock:
        """Return the night's clock, its paces in order."""
        return _clock(self)


@functools.lru_cache(maxsize=64)  # a plan that is shown asks for it for each setting of each step
def _clock(plan: NightPlan) -> NightClock:
    paces = sorted((plan.time_s(pace.from_), plan.time_s(pace.to), pace.speed) for pace in plan.pace)
    return NightClock(plan.from_s, plan.speed, tuple(Pace(*pace) for pace in paces))
