"""Whether anything rises for good under load: a leak, or growth, as only a long run shows it (S7)."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from testbed.verdict import resource_series
from testbed.verdict.finding import Finding, Verdict, held_if
from testbed.verdict.trend import CONFIDENT, slope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures
    from testbed.verdict.resource_series import Series
    from testbed.verdict.trend import Slope

STEADY = "steady"
WARM_UP = 1 / 3  # of the night: pools fill, code is read, threads are started for the first time
KEPT = ("bookings", "check_ins")  # what passengers did is to be kept: their rising is no fault of anybody's
FACTS = ("S7",)


@dataclass(frozen=True, slots=True)
class Judged:
    """A series, its slope by the hour, and how much of a slope would matter."""

    series: Series
    slope: Slope
    matters: float

    def __str__(self) -> str:
        unit, found = self.series.kind.unit, self.slope
        return f"{self.series.name} {found.per_unit:+.3g} {unit} an hour of the night ({found.low:+.3g} to {found.high:+.3g} with 95 %)"


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Ask that what rises for good is exactly what is expected: nothing (`steady`), only leaks, or only growth.

    Unknown when nothing was weighed, or too little of it to tell.
    """
    wanted, told = wanted_of(journal), judged(journal)
    processes = {f"{resource_series.MEMORY.name} of {service}" for service in figures.services}
    untold = processes | {one.name for one in wanted}
    untold -= {one.series.name for one in told}
    if not any(one.kind is resource_series.MEMORY for one in wanted):
        return Finding("longevity", Verdict.UNKNOWN, "nothing was weighed: the facility has no `resources_every_s`", FACTS)
    if untold:
        return Finding("longevity", Verdict.UNKNOWN, f"too few looks at {', '.join(sorted(untold))}", FACTS)
    rising = [one for one in told if one.slope.rises]
    found = {one.series.kind.word for one in rising} or {STEADY}
    return Finding("longevity", held_if(found == {expected}), f"{_told(rising, told)}; expected {expected}", FACTS)


def wanted_of(journal: Journal) -> tuple[Series, ...]:
    """Give the series that are judged: all but those of what is to be kept."""
    return tuple(one for one in resource_series.of(journal) if not (one.of in KEPT and one.kind.word == resource_series.GROWTH))


def judged(journal: Journal) -> tuple[Judged, ...]:
    """Judge every series of a journal that has enough points."""
    threads = journal.header.facility.request_threads
    return tuple(judgement for one in wanted_of(journal) if (judgement := judge(one, threads)) is not None)


def judge(one: Series, request_threads: int) -> Judged | None:
    """Judge a series after its warm-up; None when it has too few points."""
    from_h, to_h = one.points[0][0], one.points[-1][0]
    warm = [point for point in one.points if point[0] >= from_h + (to_h - from_h) * WARM_UP]
    if len(warm) < 2 or warm[-1][0] == warm[0][0]:  # noqa: PLR2004 - a slope needs two
        return None
    hours = warm[-1][0] - warm[0][0]
    level = median(value for _, value in warm[: max(1, len(warm) // 6)])
    matters = max(one.kind.least + one.kind.threads * request_threads, one.kind.share * level) / hours
    found = slope(warm, matters)
    return None if found is None else Judged(one, found, matters)


def _told(rising: Sequence[Judged], every: Sequence[Judged]) -> str:
    if rising:
        told = "; ".join(f"{one.series.kind.word}: {one}, at a confidence of {one.slope.confidence:.2%}" for one in rising)
        return f"{told}; {len(every) - len(rising)} other series are steady"
    nearest = max(every, key=lambda one: (one.slope.confidence, one.slope.per_unit / one.matters))
    return (
        f"steady: none of {len(every)} series rises by more than matters, at {CONFIDENT:.1%} each; the nearest is {nearest}, where "
        f"{nearest.matters:.3g} matters, with a confidence of {1 - nearest.slope.confidence:.2%} that it rises by less"
    )
