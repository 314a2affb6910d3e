"""Whether anything rises for good under load: a leak, or growth, as only a long run shows it (S7)."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from testbed.verdict import resource_series
from testbed.verdict.finding import Finding, Verdict, held_if
from testbed.verdict.trend import CONFIDENT, slope_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures
    from testbed.verdict.resource_series import Series
    from testbed.verdict.trend import Slope

STEADY = "steady"
WARM_UP = 1 / 3  # of the night: pools fill, code is read, threads are started for the first time
ALLOWED_TO_GROW = ("bookings", "check_ins")  # what passengers did has to be stored
FACTS = ("S7",)


@dataclass(frozen=True, slots=True)
class Judged:
    """A series, and its slope by the hour of the night."""

    series: Series
    slope: Slope

    def __str__(self) -> str:
        unit, slope = self.series.kind.unit, self.slope
        interval = f"{slope.low:+.3g} to {slope.high:+.3g} with at least 95 %"
        return f"{self.series.name} {slope.per_unit:+.3g} {unit} an hour of the night ({interval})"


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Compare what rises for good with what is expected to: nothing (`steady`), only leaks, or only growth.

    Unknown if no resource usage was sampled, a series has too few samples, or one of the expected kind seems to rise but is too restless to
    show it.
    """
    required, known = required_series(journal), judged(journal)
    names = {f"{resource_series.MEMORY.name} of {service}" for service in figures.services} | {series.name for series in required}
    unjudged = names - {judgement.series.name for judgement in known}
    if not any(series.kind is resource_series.MEMORY for series in required):
        return Finding("longevity", Verdict.UNKNOWN, "no resource usage was sampled: set `resources_every_s` of the facility", FACTS)
    if unjudged:
        return Finding("longevity", Verdict.UNKNOWN, f"too few samples of {', '.join(sorted(unjudged))}", FACTS)
    rising = [judgement for judgement in known if judgement.slope.rises]
    words = {judgement.series.kind.word for judgement in rising} or {STEADY}
    text = f"{_text(rising, known)}; expected {expected}"
    unclear = ", ".join(seen.series.name for seen in known if seen.series.kind.word == expected and seen.slope.may_rise)
    if unclear and not rising:
        return Finding("longevity", Verdict.UNKNOWN, f"{text}, which {unclear} may be: that is not shown, nor is the contrary", FACTS)
    return Finding("longevity", held_if(words == {expected}), text, FACTS)


def required_series(journal: Journal) -> tuple[Series, ...]:
    """Return the series that are judged: all but those of tables that are allowed to grow."""
    return tuple(
        series
        for series in resource_series.of(journal)
        if not (series.of in ALLOWED_TO_GROW and series.kind.word == resource_series.GROWTH)
    )


def judged(journal: Journal) -> tuple[Judged, ...]:
    """Judge every series of a journal that has enough points."""
    threads = journal.header.facility.request_threads
    return tuple(judgement for series in required_series(journal) if (judgement := judge(series, threads)) is not None)


def judge(series: Series, request_threads: int) -> Judged | None:
    """Judge a series after its warm-up; return None if it has too few points."""
    from_h, to_h = series.points[0][0], series.points[-1][0]
    warm = [point for point in series.points if point[0] >= from_h + (to_h - from_h) * WARM_UP]
    if len(warm) < 2 or warm[-1][0] == warm[0][0]:  # noqa: PLR2004 - a slope needs two
        return None
    hours = warm[-1][0] - warm[0][0]
    level = median(value for _, value in warm[: max(1, len(warm) // 6)])
    threshold = max(series.kind.least + series.kind.threads * request_threads, series.kind.share * level) / hours
    slope = slope_of(warm, threshold)
    return None if slope is None else Judged(series, slope)


def _text(rising: Sequence[Judged], known: Sequence[Judged]) -> str:
    if rising:
        lines = [f"{judgement.series.kind.word}: {judgement}, at a confidence of {judgement.slope.confidence:.2%}" for judgement in rising]
        return f"{'; '.join(lines)}; of {len(known) - len(rising)} other series none is seen to rise"
    nearest = max(known, key=lambda judgement: (judgement.slope.of_more, judgement.slope.low / judgement.slope.threshold))
    shown = sum(judgement.slope.is_steady for judgement in known)
    return (
        f"steady: none of {len(known)} series is seen to rise by more than its threshold, at {CONFIDENT:.0%} each; "
        f"{shown} are seen not to, at 95 %; the nearest is {nearest}, with a threshold of {nearest.slope.threshold:.3g}"
    )
