"""How far two monotonic clocks are apart, bounded by round trips as NTP does it (RFC 5905, section 8).

On one kernel all processes share one monotonic clock. A container engine in a virtual machine (Docker Desktop, Colima) has another,
which began when that machine did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A question for the other clock: when it was asked and answered on ours, and what the other said in between, in seconds."""

    asked_s: float
    other_s: float
    answered_s: float


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """By how many seconds the other clock is ahead of ours, and how far from the truth that may be."""

    ahead_s: float = 0.0
    within_s: float = 0.0


SAME_CLOCK = ClockOffset()


def clock_offset(trips: Sequence[RoundTrip]) -> ClockOffset:
    """Return the offset that all round trips allow: 0.0, exactly, where that is one.

    The other clock was read between question and answer, so each trip bounds the offset from both sides, the quickest the closest.
    Raises ServiceError when no offset fits all of them: one of the clocks was set, or stood still.
    """
    least_s = max(trip.other_s - trip.answered_s for trip in trips)
    most_s = min(trip.other_s - trip.asked_s for trip in trips)
    if least_s > most_s:
        apart_s = least_s - most_s
        raise ServiceError(f"the load generator's clock and ours do not go alike: {apart_s:.6f} s apart within {len(trips)} round trips")
    within_s = (most_s - least_s) / 2
    return ClockOffset(0.0 if least_s <= 0.0 <= most_s else least_s + within_s, within_s)
