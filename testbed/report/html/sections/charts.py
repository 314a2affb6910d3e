"""What was measured, over one axis of time: pools, request threads, health checks, latency, and what became of transactions."""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import TYPE_CHECKING

from testbed.journal.events import Request
from testbed.plan.clock import clock_text
from testbed.report.html import chart, moments, series
from testbed.report.html.chart import DOTS, LINES, SPANS, STRIPS, Axes, Bar, Chart, Stroke
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import Markup, element, joined, void

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.reader import Journal
    from testbed.report.html.judged import JudgedNight, JudgedReplay
    from testbed.report.html.series import Series

POOL = (
    "In: connections in the pool, free to be taken. Out: taken, and not yet returned. Leaked: those out whose request has ended, so that "
    "nobody returns them. Waiting: request threads that wait for a connection."
)
HEALTH = "A green bar is checks that were green, a taller one in red checks that were not, and nothing is where nobody looked."
ENDED = "An unanswered transaction, one that never got an answer, counts from when it was due; the three together are what was due."
MOST_POINTS = 30_000  # of all charts of a page, of some 20 bytes each


def section(nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return the charts of each replay, all of a night with the same axis; None if nothing was measured of any."""
    drawn = [(judged, [(replay, of(replay)) for replay in judged.replays]) for judged in nights]
    lines = sum(len(chart_.series) for _, replays in drawn for _, charts in replays for chart_ in charts)
    if not lines:
        return None
    buckets = chart.buckets_for(lines, MOST_POINTS)
    body = [_axis_choice()]
    for judged, replays in drawn:
        body.append(element("h3", judged.title) if len(nights) > 1 else Markup())
        axes = _axes(replays)
        body.append(_pace(judged, axes))
        body.append(
            element(
                "div",
                *(
                    element(
                        "section",
                        element("h4" if len(nights) > 1 else "h3", replay.name),
                        *(chart.figure(chart_, axes, replay.label, buckets) for chart_ in charts),
                        aria_label=f"{replay.label}, charts",
                        style=f"--rows: {1 + chart.ROWS * len(charts)}",
                    )
                    for replay, charts in replays
                ),
                class_="columns beside",
            )
        )
    return Fragment("charts", "What was measured", joined(*body))


def of(replay: JudgedReplay) -> list[Chart]:
    """Return the charts of a replay, from what was done to what became of the passengers.

    The height of an axis does not depend on what was seen, so that variants can be compared.
    """
    journal = replay.journal
    facility, shades = journal.header.facility, moments.shades(journal)
    asked = Counter(request.caller for request in journal.of(Request))
    found = [
        Chart("spans", SPANS, "Faults, operations and trouble", "and when each was", bars=_bars(replay), shades=shades),
        *(
            Chart(
                f"pool {server}",
                LINES,
                f"Pool of {server}",
                "connections, or threads that wait for one",
                [(one, chart.stroke(number)) for number, one in enumerate(pool)],
                top=facility.pool_size,
                note=POOL,
                shades=shades,
            )
            for server, pool in series.pools(journal).items()
        ),
        Chart(
            "busy",
            LINES,
            "Busy request threads",
            f"of {facility.request_threads} each",
            [(one, chart.stroke(number)) for number, one in enumerate(series.busy(journal))],
            top=facility.request_threads,
            shades=shades,
        ),
        Chart(
            "health",
            STRIPS,
            "Health checks",
            "green or not",
            [(health, Stroke(0)) for health in series.health(journal)],
            note=HEALTH,
            shades=shades,
        ),
        _latency(replay, shades),
        Chart(
            "ended",
            LINES,
            "Transactions, added up",
            "so far",
            _ended(journal),
            top=max(asked.values(), default=0),
            note=ENDED,
            shades=shades,
        ),
    ]
    return [one for one in found if one.series or one.bars]


def _ended(journal: Journal) -> list[tuple[Series, Stroke]]:
    """Return what became of each caller's transactions, in one colour: answered a line, failed and unanswered two kinds of dashes."""
    callers = journal.header.facility.callers
    strokes = {
        f"{caller} {how}": Stroke(number % chart.COLOURS, chart.DASHES[kind], steps=True)
        for number, caller in enumerate(callers)
        for kind, how in enumerate(series.ENDS)
    }
    return [(line, strokes[line.name]) for line in series.ended(journal)]


def _latency(replay: JudgedReplay, shades: Sequence[moments.Shade]) -> Chart:
    symbols = {"failed": "times", "unanswered": "never"}
    dots = [
        (one, Stroke(how.colour, symbol=symbols.get(ended, how.symbol)))
        for how, ends in zip(map(chart.stroke, count()), series.latency(replay.journal).values(), strict=False)
        for ended, one in ends.items()
    ]
    note = "A dot stands where its transaction was due. A line at the top is one that was never answered."
    return Chart("latency", DOTS, "Latency", "real seconds from when due", dots, note=note, shades=shades)


def _bars(replay: JudgedReplay) -> list[Bar]:
    """Return what was done, the quiet hours, the trouble, and when each service was stuck, a row each."""
    found = [Bar(shade.word, shade.from_s, shade.to_s, bad=False, until=shade.until) for shade in moments.shades(replay.journal)]
    for moment in moments.of(replay):
        begin, (row, _, _) = (moment.t_s, moment.night_s), moment.what.partition(":")
        if moment.kind == moments.SEEN and moment.until_s is not None:
            found.append(Bar("quiet hours", begin, moment.until_s, bad=False))
        elif moment.kind == moments.BAD and row in ("first failure", "hang"):
            found.append(Bar(row, begin, begin, bad=True))
    journal, figures = replay.journal, replay.judgement.figures
    night_s = {event.t_s: event.night_s for event in journal.events}  # a span begins and ends with a sample
    for service, spans in figures.spans.items():
        found += [
            Bar(f"{service} stuck", (span.from_s, span.night_s), (span.to_s, night_s.get(span.to_s, span.night_s)), bad=True)
            for span in spans
        ]
    return found


def _axes(replays: Sequence[tuple[JudgedReplay, list[Chart]]]) -> Axes:
    """Return the axis that the charts of a night share: from its begin to the last event of any of its replays."""
    header = replays[0][0].journal.header
    ends = [moments.last_s(replay.journal) for replay, _ in replays]
    return Axes((0.0, max(real_s for real_s, _ in ends)), (header.night.from_s, max(header.night.to_s, *(night_s for _, night_s in ends))))


def _axis_choice() -> Markup:
    """Return the choice between the two clocks; without a script, there is nothing to choose."""
    choices = [
        element("label", void("input", type="radio", name="clock", value=value, checked="" if value == "n" else None), f" {words}")
        for value, words in (("n", "the night's clock"), ("t", "real seconds"))
    ]
    return element("fieldset", element("legend", "All charts go by"), *choices, class_="clock")


def _pace(judged: JudgedNight, axes: Axes) -> Markup:
    """Return what grey is, what comes after the night's end, and that hours of it are not equally long in real seconds."""
    grey = "Grey, from a dashed line on: a fault is active, or something is done to the facility; what is short is a dashed line alone."
    night_to_s = judged.replays[0].journal.header.night.to_s
    if axes.night_s[1] > night_to_s:
        grey = f"{grey} The night ends at {clock_text(night_to_s, seconds=False)}; after that, open requests are waited for."
    paces = [pace for replay in judged.replays if (pace := series.pace(replay.journal)) is not None]
    if not paces:
        return element("p", grey, class_="note")
    unit = paces[0].unit
    fewest, most = min(pace.fewest_s for pace in paces), max(pace.most_s for pace in paces)
    took = f"{fewest:.2g} to {most:.2g}" if f"{fewest:.2g}" != f"{most:.2g}" else f"{most:.2g}"
    text = f"The night goes by faster than real time, and its pace may change: {unit} of it took {took} real seconds."
    return element("p", f"{text} {grey}", class_="note")
