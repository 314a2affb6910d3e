"""The series of a journal: what monitoring and passengers saw over the night, as numbers over time.

A sample that has no number is a gap and never zero; so is a time in which nobody looked.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING

from testbed.journal.events import Request, Sample
from testbed.plan.clock import HOUR_S, MINUTE_S
from testbed.verdict.stuck_spans import samples_of, services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from testbed.journal.reader import Journal, Transaction

GAP_S = 2.0  # real seconds without a sample, of which there are ten a second: nobody knows what was between
POOL = {"in": "in_", "out": "out", "leaked": "leaked", "waiting": "waiting"}  # what is drawn of a pool, and the field of its samples
MOST_HOURS = 1_000  # of a night; in more, something is wrong with its clock
ENDS = ("answered", "failed", "unanswered")


@dataclass(frozen=True, slots=True)
class Point:
    """A number at a time, in real seconds (`t_s`) and by the night's clock; None where there is no number."""

    t_s: float
    night_s: float
    value: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """Points in the order of time."""

    name: str
    points: tuple[Point, ...]

    @property
    def numbers(self) -> list[Point]:
        """The points that have a number."""
        return [point for point in self.points if point.value is not None]


def sampled(journal: Journal, service: str, name: str, value: Callable[[Sample], float | None]) -> Series:
    """Return what the samples of a service say, with a gap where they say nothing, or where there are none."""
    points: list[Point] = []
    for sample in samples_of(journal, service):
        if points and sample.t_s - points[-1].t_s > GAP_S:
            points.append(Point(points[-1].t_s / 2 + sample.t_s / 2, points[-1].night_s / 2 + sample.night_s / 2, None))
        points.append(Point(sample.t_s, sample.night_s, value(sample)))
    return Series(name, tuple(points))


def pools(journal: Journal) -> dict[str, tuple[Series, ...]]:
    """Return connections in the pool, out of it and leaked, and threads that wait for one, of each application server that told."""
    found = {
        server: tuple(sampled(journal, server, name, partial(_of_pool, field)) for name, field in POOL.items())
        for server in journal.header.facility.application_servers
    }
    return {server: series for server, series in found.items() if any(one.numbers for one in series)}


def _of_pool(field: str, sample: Sample) -> float | None:
    return None if sample.pool is None else float(getattr(sample.pool, field))


def busy(journal: Journal) -> tuple[Series, ...]:
    """Return how many request threads of each service were at work."""
    return _told(sampled(journal, service, service, attrgetter("busy")) for service in services(journal))


def health(journal: Journal) -> tuple[Series, ...]:
    """Return whether the health checks of each service were green: 1, or 0. A check without an answer is one that was not green."""
    return _told(sampled(journal, service, service, _green) for service in services(journal))


def _green(sample: Sample) -> float | None:
    return None if sample.health is None else float(sample.health)


def latency(journal: Journal) -> dict[str, dict[str, Series]]:
    """Return by caller, and by how a transaction ended, the real seconds from when it was due until it ended, at the time it was due.

    What was never answered has no number.
    """
    found: dict[str, dict[str, Series]] = {}
    for caller in journal.header.facility.callers:
        asked = sorted(
            (transaction for transaction in journal.transactions if transaction.request.caller == caller),
            key=lambda transaction: transaction.request.due_s,
        )
        for ended in ENDS:
            points = tuple(
                Point(transaction.request.due_s, transaction.request.night_s, _took_s(transaction))
                for transaction in asked
                if transaction.ended == ended
            )
            if points:
                found.setdefault(caller, {})[ended] = Series(f"{caller} {ended}", points)
    return found


def _took_s(transaction: Transaction) -> float | None:
    """Return the real seconds from when a transaction was due until it ended; None if it never did, or the journal's times are absurd."""
    took_s = math.inf if transaction.response is None else transaction.response.answered_s - transaction.request.due_s
    return took_s if math.isfinite(took_s) else None


def ended(journal: Journal) -> tuple[Series, ...]:
    """Return how many transactions of each caller had been answered, had failed, and had been due and were never answered, at each time.

    Together they are what was due. Of a caller that was answered every time, there is no third series.
    """
    end = max((event.t_s for event in journal.events), default=0.0), max((event.night_s for event in journal.events), default=0.0)
    found = []
    for caller in journal.header.facility.callers:
        for how in ENDS:
            when = sorted(
                _ended_at(transaction)
                for transaction in journal.transactions
                if transaction.request.caller == caller and transaction.ended == how
            )
            if when or how != "unanswered":
                points = [Point(t_s, night_s, number) for number, (t_s, night_s) in enumerate(when, start=1)]
                begin = Point(0.0, journal.header.night.from_s, 0)
                found.append(Series(f"{caller} {how}", (begin, *points, Point(*end, len(when)))))
    return tuple(found)


def _ended_at(transaction: Transaction) -> tuple[float, float]:
    """Return when a transaction was answered, or when it was due if it never was, on both clocks."""
    request, response = transaction.request, transaction.response
    return (request.due_s, request.night_s) if response is None else (response.answered_s, response.night_s)


def decimated(line: Sequence[Point], buckets: int) -> tuple[Point, ...]:
    """Return fewer points that show the same line: of each of so many equal spans of real time the lowest and the highest number.

    Its first gap and the points next to it stay, too, and the first and the last point of all. What is level is told by its ends.
    """
    level = _without_level(line)
    if len(level) <= 2 * buckets:
        return tuple(level)
    kept = {0, len(level) - 1}
    for numbers in _bucketed(level, buckets):
        kept |= _extremes(level, numbers)
        gap = next((number for number in numbers if level[number].value is None), None)
        if gap is not None:
            kept |= {number for number in (gap - 1, gap, gap + 1) if 0 <= number < len(level)}
    return tuple(level[number] for number in sorted(kept))


def thinned(dots: Sequence[Point], buckets: int) -> tuple[Point, ...]:
    """Return fewer points that cover the same area, where each is a dot of its own.

    Of each of so many equal spans of real time the lowest and the highest stay, and the first of those without a number.
    """
    if len(dots) <= 2 * buckets:
        return tuple(dots)
    kept: set[int] = set()
    for numbers in _bucketed(dots, buckets):
        kept |= _extremes(dots, numbers) | set(next(([number] for number in numbers if dots[number].value is None), []))
    return tuple(dots[number] for number in sorted(kept))


def _bucketed(points: Sequence[Point], buckets: int) -> Iterable[list[int]]:
    """Return the numbers of the points in each of so many equal spans of real time; empty ones are left out."""
    from_s, to_s = points[0].t_s, points[-1].t_s
    width_s = (to_s - from_s) / buckets or 1.0
    found: dict[int, list[int]] = {}
    for number, point in enumerate(points):
        found.setdefault(min(buckets - 1, int((point.t_s - from_s) / width_s)), []).append(number)
    return found.values()


def _extremes(points: Sequence[Point], numbers: Iterable[int]) -> set[int]:
    """Return which of some points is the lowest and which the highest; none where none of them has a number."""
    valued = [(value, number) for number in numbers if (value := points[number].value) is not None]
    return {min(valued)[1], max(valued)[1]} if valued else set()


def _without_level(points: Sequence[Point]) -> list[Point]:
    """Return the points without those that say the same as the one before and the one after them."""
    inner = (
        here for before, here, after in zip(points, points[1:], points[2:], strict=False) if not before.value == here.value == after.value
    )
    return [*points[:1], *inner, *points[1:][-1:]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a night went by: the fewest and the most real seconds that `an hour` of it took, or `a minute`."""

    unit: str
    fewest_s: float
    most_s: float


def pace(journal: Journal) -> Pace | None:
    """Return how fast a night went by, by its hours, or by its minutes if it has no whole hour; None where not even one was seen."""
    seen = sorted((event.t_s, event.night_s) for event in journal.events if isinstance(event, (Sample, Request)))
    clock: list[tuple[float, float]] = []  # strictly forward: before the night begins its clock stands
    for t_s, night_s in seen:
        if not clock or night_s > clock[-1][1]:
            clock.append((t_s, night_s))
        elif night_s == clock[0][1]:
            clock[0] = (t_s, night_s)
    if not clock:
        return None
    first, last = clock[0][1], clock[-1][1]
    unit, unit_s = ("an hour", HOUR_S) if last - first >= HOUR_S else ("a minute", MINUTE_S)
    count = (last - first) // unit_s
    if not 1 <= count <= MOST_HOURS:
        return None
    bounds_s = [_real_s(clock, first + unit_s * number) for number in range(int(count) + 1)]
    took_s = [later - earlier for earlier, later in pairwise(bounds_s)]
    return Pace(unit, min(took_s), max(took_s))


def _real_s(clock: Sequence[tuple[float, float]], night_s: float) -> float:
    """Return the real seconds at a time of the night that lies within what was seen."""
    after = bisect_left(clock, night_s, key=lambda seen: seen[1])
    if after == 0:
        return clock[0][0]
    (before_s, before_night_s), (after_s, after_night_s) = clock[after - 1], clock[min(after, len(clock) - 1)]
    if after_night_s == before_night_s:
        return after_s
    return before_s + (after_s - before_s) * (night_s - before_night_s) / (after_night_s - before_night_s)


def _told(series: Iterable[Series]) -> tuple[Series, ...]:
    return tuple(one for one in series if one.numbers)
