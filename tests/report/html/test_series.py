from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.journal.events import Request
from testbed.report.html import series
from testbed.report.html.series import Point, Series, decimated, thinned
from tests.journals import CALLERS, NightBuilder, contained_night, hung_night
from tests.nights import flown

VALUES = st.lists(st.none() | st.integers(0, 40), min_size=1, max_size=300)


def line(values: list[float | None]) -> list[Point]:
    """Return points a second apart."""
    return [Point(float(at), 100.0 * at, value) for at, value in enumerate(values)]


@given(VALUES, st.integers(1, 30))
def test_no_extreme_of_any_span_is_lost(values: list[float | None], buckets: int) -> None:
    """The lowest and the highest number of each span are there, at their own times, and nothing was made up."""
    points = line(values)
    kept = decimated(points, buckets)
    assert set(kept) <= set(points)
    assert [point.t_s for point in kept] == sorted({point.t_s for point in kept})
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    width_s = (points[-1].t_s - points[0].t_s) / buckets or 1.0
    for number in range(buckets):
        inside = [point for point in points if min(buckets - 1, int(point.t_s / width_s)) == number and point.value is not None]
        if inside:
            lowest, highest = min(point.value or 0 for point in inside), max(point.value or 0 for point in inside)
            shown = shown_between(kept, inside[0].t_s, inside[-1].t_s)
            assert lowest in shown
            assert highest in shown


def shown_between(kept: tuple[Point, ...], from_s: float, to_s: float) -> set[float | None]:
    """Return what a line shows in a span: its points there, and the level parts that reach into it."""
    inside = {point.value for point in kept if from_s <= point.t_s <= to_s}
    level = {
        before.value
        for before, after in itertools.pairwise(kept)
        if before.value == after.value and before.t_s <= to_s and after.t_s >= from_s
    }
    return inside | level


@given(VALUES, st.integers(1, 30))
def test_a_gap_stays_a_gap(values: list[float | None], buckets: int) -> None:
    """Numbers that had a gap between them are not joined, unless another gap of the same span is shown."""
    points = line(values)
    width_s = (points[-1].t_s - points[0].t_s) / buckets or 1.0
    gaps = {min(buckets - 1, int(point.t_s / width_s)) for point in points if point.value is None}
    kept = decimated(points, buckets)
    shown = {min(buckets - 1, int(point.t_s / width_s)) for point in kept if point.value is None}
    level = {
        number
        for before, after in itertools.pairwise(kept)
        if before.value is None is after.value
        for number in range(int(before.t_s / width_s), int(after.t_s / width_s) + 1)
    }
    assert gaps <= shown | level


@given(VALUES, st.integers(1, 30))
def test_dots_keep_their_extremes_and_say_where_there_was_no_number(values: list[float | None], buckets: int) -> None:
    """Each dot is one that was there."""
    points = line(values)
    kept = thinned(points, buckets)
    assert set(kept) <= set(points)
    assert len(kept) <= max(2 * buckets, 3 * buckets)
    told = [point.value for point in points if point.value is not None]
    assert {min(told, default=None), max(told, default=None)} <= {point.value for point in kept} | ({None} if not told else set())
    assert (None in values) is (None in {point.value for point in kept})


def test_many_points_become_few() -> None:
    """A day of samples is no larger than a screen."""
    points = line([float(number * number % 41) for number in range(100_000)])
    assert len(decimated(points, 400)) <= 802
    assert len(thinned(points, 400)) <= 800


def test_what_was_not_sampled_is_a_gap_and_not_zero() -> None:
    """A sample without numbers, and a time in which nobody looked."""
    night = NightBuilder()
    for t_s, busy in ((0.0, 1), (0.1, None), (0.2, 2), (9.0, 3)):
        night.sample(t_s, "kiosk", busy=busy)
    night.end(9.5)
    [kiosk] = series.busy(night.journal())
    assert [point.value for point in kiosk.points] == [1, None, 2, None, 3]
    assert kiosk.points[3].t_s == pytest.approx(4.6)


def test_a_service_that_never_told_has_no_series() -> None:
    """It is left out of the chart, and not drawn at zero."""
    night = NightBuilder()
    night.sample(0.0, "kiosk", busy=None)
    night.end(1.0)
    assert series.busy(night.journal()) == ()
    assert [one.name for one in series.health(night.journal())] == ["kiosk"]


def test_series_have_what_the_journal_has() -> None:
    """Pools of the servers, threads of all services, and transactions of each caller, by how they ended."""
    journal = hung_night().journal()
    pools = series.pools(journal)
    assert list(pools) == ["cf-1", "cf-2"]
    leaked = next(one for one in pools["cf-1"] if one.name == "leaked")
    assert max(point.value or 0 for point in leaked.points) == 4
    assert len(series.busy(journal)) == 5
    ended = {one.name: one.points[-1].value or 0 for one in series.ended(journal)}
    for caller, failed in zip(CALLERS, (3, 3, 2), strict=True):
        due = sum(request.caller == caller for request in journal.of(Request))
        assert (ended[f"{caller} answered"], ended[f"{caller} failed"]) == (1, failed)
        assert sum(ended[f"{caller} {how}"] for how in series.ENDS) == due
    latency = series.latency(journal)
    assert {how: len(one.points) for how, one in latency["kiosk"].items()} == {"answered": 1, "failed": 3, "unanswered": 4}
    assert [point.value for point in latency["kiosk"]["unanswered"].points] == [None] * 4


def test_what_was_never_answered_counts_from_when_it_was_due() -> None:
    """One after the other; a caller that was always answered has no such series."""
    journal = hung_night().journal()
    due_s = sorted(asked.request.due_s for asked in journal.transactions if asked.request.caller == "kiosk" and asked.response is None)
    never = next(one for one in series.ended(journal) if one.name == "kiosk unanswered")
    assert [(point.t_s, point.value) for point in never.points[1:-1]] == [(at_s, count) for count, at_s in enumerate(due_s, start=1)]
    assert [one.name for one in series.ended(contained_night().journal()) if one.name.endswith("unanswered")] == []


def test_the_pace_of_a_night_is_that_of_its_clock() -> None:
    """The journal of a night with paces says how long its shortest and its longest hour took."""
    pace = series.pace(flown("fixed"))
    assert pace is not None
    assert pace.unit == "an hour"
    assert pace.fewest_s < 0.2  # from 23:10 to 03:20, an hour takes 3600 / 90000 s; samples stand a tenth of a second apart
    assert pace.most_s == pytest.approx(3600 / 1200, rel=0.1)
    short = series.pace(hung_night().journal())
    assert short is not None
    assert (short.unit, short.fewest_s, short.most_s) == ("a minute", pytest.approx(0.6), pytest.approx(0.6))
    assert series.pace(NightBuilder().journal()) is None


def test_the_numbers_of_a_series_are_those_that_are_some() -> None:
    """Gaps are left out."""
    assert [point.value for point in Series("x", tuple(line([1, None, 2]))).numbers] == [1, 2]
