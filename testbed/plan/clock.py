"""The night's own clock, and how it goes in real seconds.

A time of the night is a number of seconds since 00:00 of the night's date: 23:00 is 82,800, and 05:00 of the next
morning is 104,400.
"""

from __future__ import annotations

from dataclasses import dataclass

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 24 * HOUR_S


@dataclass(frozen=True, slots=True)
class Pace:
    """A part of the night, from one time to another, that goes by at `speed` seconds of the night in a real second."""

    from_s: float
    to_s: float
    speed: float


@dataclass(frozen=True, slots=True)
class NightClock:
    """Maps the night's time to real seconds after its start and back.

    Quiet hours may go by fast and a minute that matters slowly: `paces`, in order and without overlap, go at their own speed, the rest at
    `speed`. Before `from_s` the clock stands; after the last pace it goes on at `speed` for ever.
    """

    from_s: float
    speed: float
    paces: tuple[Pace, ...] = ()

    @property
    def speeds(self) -> frozenset[float]:
        """How fast the night goes by anywhere in it, in seconds of the night in a real second."""
        return frozenset((self.speed, *(pace.speed for pace in self.paces)))

    def real_s(self, night_s: float) -> float:
        """Return the real seconds from the night's start to a time of the night."""
        real_s, at_s = 0.0, self.from_s
        for pace in self._all():
            until_s = min(pace.to_s, night_s)
            if until_s > at_s:
                real_s += (until_s - at_s) / pace.speed
                at_s = until_s
        return real_s

    def night_s(self, real_s: float) -> float:
        """Return the night's time `real_s` real seconds after its start."""
        left_s, at_s = max(0.0, real_s), self.from_s
        for pace in self._all():
            takes_s = (pace.to_s - at_s) / pace.speed
            if left_s <= takes_s:
                return at_s + left_s * pace.speed
            left_s -= takes_s
            at_s = pace.to_s
        return at_s

    def speed_at(self, night_s: float) -> float:
        """Return how fast the night goes by at a time of it, and just after it."""
        return next(pace.speed for pace in self._all() if night_s < pace.to_s)

    def speeds_after(self, night_s: float) -> list[tuple[float, float]]:
        """Return each later pace as its start and its speed; the first is that of `night_s`, and starts there."""
        return [(max(night_s, pace.from_s), pace.speed) for pace in self._all() if night_s < pace.to_s]

    def _all(self) -> list[Pace]:
        """Return the whole night as paces, without a gap."""
        paces, at_s = [], self.from_s
        for pace in self.paces:
            if pace.from_s > at_s:
                paces.append(Pace(at_s, pace.from_s, self.speed))
            paces.append(pace)
            at_s = pace.to_s
        return [*paces, Pace(at_s, float("inf"), self.speed)]


def parse_time(text: str, evening_s: float | None = None) -> float:
    """Parse `HH:MM` or `HH:MM:SS` as a time of the night, in seconds.

    Times before the evening's start belong to the next morning. Raises ValueError for any other text.
    """
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(len(part) == 2 and part.isascii() and part.isdecimal() for part in parts):  # noqa: PLR2004
        raise ValueError(f"{text!r} is no time of day; allowed: HH:MM or HH:MM:SS")
    hours, minutes, seconds = (*map(int, parts), 0)[:3]
    if hours > 23 or minutes > 59 or seconds > 59:  # noqa: PLR2004 - a day's
        raise ValueError(f"{text!r} is no time of day; allowed: 00:00 to 23:59:59")
    time_s = hours * HOUR_S + minutes * MINUTE_S + seconds
    return float(time_s + DAY_S if evening_s is not None and time_s < evening_s else time_s)


def clock_text(night_s: float, *, seconds: bool = True) -> str:
    """Format a time of the night as a clock shows it: `23:00:12`."""
    whole = int(night_s) % DAY_S
    text = f"{whole // HOUR_S:02}:{whole % HOUR_S // MINUTE_S:02}"
    return f"{text}:{whole % MINUTE_S:02}" if seconds else text


def span_text(seconds: float) -> str:
    """Format a span of time as people say it: `5 h 12 min`."""
    minutes, rest_s = divmod(round(seconds), MINUTE_S)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest_s:02} s" if minutes else f"{rest_s} s"
