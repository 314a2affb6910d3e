"""A chart of the page: its legend, its data for the script that draws it, and its numbers as a table for whoever cannot see it.

Colours are those of Okabe and Ito, which colour-blind people can tell apart (`page.css` has them, darker on white and lighter on black);
lines differ in their dashes, too, and dots in their shape.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from testbed.errors import visible
from testbed.plan.clock import clock_text
from testbed.report.html import markup
from testbed.report.html.markup import Markup, element
from testbed.report.html.series import Series, decimated, thinned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.report.html.moments import Shade

ROWS = 4  # of a chart: its heading, what is drawn, a note, and the table; the same chart of two replays stands beside the other
COLOURS = 5
DASHES = ("", "6 3", "2 3", "9 3 2 3")
SYMBOLS = ("circle", "square", "triangle", "diamond", "star")
SIGNS = dict(zip(SYMBOLS, "●■▲◆★", strict=True)) | {"times": "✕", "never": "│"}
MOST_BUCKETS, FEWEST_BUCKETS = 400, 20  # a chart is no wider than twice as many pixels of a wide screen
LINES, STRIPS, DOTS, SPANS = "lines", "strips", "dots", "spans"  # kinds of charts


@dataclass(frozen=True, slots=True)
class Stroke:
    """How a series is drawn: the number of its colour, the dashes of its line, the symbol of its dots, and whether it goes in steps."""

    colour: int
    dash: str = ""
    symbol: str = ""
    steps: bool = False


@dataclass(frozen=True, slots=True)
class Axes:
    """The times that all charts of a night have, in real seconds and by the night's clock."""

    real_s: tuple[float, float]
    night_s: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Bar:
    """A time in the row of a chart of spans, on both clocks; `bad`: it was trouble; `until`: what its end is called, if not by its time."""

    row: str
    from_s: tuple[float, float]
    to_s: tuple[float, float]
    bad: bool
    until: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. `key`: what it is for programs; `top`: the highest number of its axis, where that is known beforehand."""

    key: str
    kind: str
    title: str
    unit: str
    series: Sequence[tuple[Series, Stroke]] = ()
    bars: Sequence[Bar] = ()
    top: float | None = None
    note: str = ""
    shades: Sequence[Shade] = ()


def stroke(number: int) -> Stroke:
    """Return how the series of this number is drawn, so that it differs from nineteen others."""
    return Stroke(number % COLOURS, DASHES[number % len(DASHES)], SYMBOLS[(number + number // COLOURS) % len(SYMBOLS)])


def buckets_for(series: int, most_points: int) -> int:
    """Return into how many spans each of so many series is divided, if all of them together may have so many points."""
    return max(FEWEST_BUCKETS, min(MOST_BUCKETS, most_points // (2 * max(1, series))))


def figure(chart: Chart, axes: Axes, replay: str, buckets: int) -> Markup:
    """Return a chart as HTML: a script draws what is in its `application/json`."""
    seen = [f"{bar.row} {_span(bar)}" for bar in chart.bars]
    for series, _ in chart.series:
        count = f"{len(series.points)} " if chart.kind == DOTS else ""
        seen.append(f"{count}{series.name}{_range(series, chart.unit)}")
    return element(
        "figure",
        element("figcaption", element("strong", chart.title), f" {chart.unit}", _legend(chart)),
        element(
            "div",
            element("script", Markup(as_json(_data(chart, axes, buckets))), type="application/json"),
            class_="chart",
            role="img",
            aria_label=f"{replay}, {chart.title}: {', '.join(seen)}",
            data_key=chart.key,
            data_replay=replay,
        ),
        element("p", chart.note, class_="note"),
        markup.details(f"{chart.title} as a table", _table(chart), print_=False),
        class_="panel",
    )


def as_json(data: Any) -> str:
    """Return data as JSON that may stand in a `script` element, whatever texts it has: nothing in it ends the element."""
    written = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data(chart: Chart, axes: Axes, buckets: int) -> dict[str, Any]:
    fewer = thinned if chart.kind == DOTS else decimated
    drawn = [(series, how, fewer(series.points, buckets)) for series, how in chart.series]
    return {
        "kind": chart.kind,
        "t": axes.real_s,
        "n": axes.night_s,
        "top": chart.top,
        "unit": chart.unit,
        "series": [
            {
                "name": visible(series.name),
                "colour": f"var(--c{how.colour})",
                "dash": how.dash,
                "symbol": how.symbol,
                "steps": how.steps,
                "t": [round(point.t_s, 3) for point in points],
                "n": [round(point.night_s, 1) for point in points],
                "v": [None if point.value is None else round(point.value, 4) for point in points],
            }
            for series, how, points in drawn
        ],
        "bars": [
            {"row": visible(bar.row), "bad": bar.bad, "t": [bar.from_s[0], bar.to_s[0]], "n": [bar.from_s[1], bar.to_s[1]]}
            for bar in chart.bars
        ],
        "shades": [
            {"word": visible(shade.word), "t": [shade.from_s[0], shade.to_s[0]], "n": [shade.from_s[1], shade.to_s[1]]}
            for shade in chart.shades
        ],
    }


def _legend(chart: Chart) -> Markup:
    """Return which line is which: a stroke of it, or its symbol, and its name."""
    if chart.kind in (STRIPS, SPANS):
        return Markup()
    entries = []
    for series, how in chart.series:
        if chart.kind == DOTS:
            sample = element("span", SIGNS[how.symbol], class_=f"c{how.colour}", aria_hidden="true")
        else:
            line = element("line", y1="5", x2="28", y2="5", stroke_dasharray=how.dash or None)
            sample = element("svg", line, class_=f"stroke c{how.colour}", aria_hidden="true")
        entries.append(element("li", sample, " ", series.name))
    return element("ul", *entries, class_="legend")


def _range(series: Series, unit: str) -> str:
    values = [point.value for point in series.numbers if point.value is not None]
    return f", {_number(min(values))} to {_number(max(values))} {unit}" if values else ""


def _span(bar: Bar) -> str:
    return f"{clock_text(bar.from_s[1])} to {bar.until or clock_text(bar.to_s[1])}"


def _table(chart: Chart) -> Markup:
    """Return the numbers of a chart: of each series its extremes, when it first was at its highest, its end, and how much is missing."""
    if chart.kind == SPANS:
        rows = [[bar.row, _span(bar), f"{bar.from_s[0]:.2f} to {bar.to_s[0]:.2f}"] for bar in chart.bars]
        return markup.table(chart.title, ["what", "by the night's clock", "real seconds"], rows)
    heads = ["series", "lowest", "highest", "first so high at", "at the end", "numbers", "without a number"]
    rows = []
    for series, _ in chart.series:
        told = [(point, point.value) for point in series.points if point.value is not None]
        missing = str(len(series.points) - len(told))
        if not told:
            rows.append([series.name, "unknown", "unknown", "unknown", "unknown", "0", missing])
            continue
        lowest, highest = min(value for _, value in told), max(value for _, value in told)
        first = next(point for point, value in told if value == highest)
        at_end = series.points[-1].value
        rows.append(
            [
                series.name,
                _number(lowest),
                _number(highest),
                f"{clock_text(first.night_s)} ({first.t_s:.1f} s)",
                "unknown" if at_end is None else _number(at_end),
                str(len(told)),
                missing,
            ]
        )
    return markup.table(f"{chart.title}, {chart.unit}", heads, rows)


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"
