"""The variants side by side: what became of each, how long passengers waited, what it cost, and what rises for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from testbed.report import rises, side_by_side
from testbed.report.html import markup
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import Markup, element, joined
from testbed.verdict.latency import HALVES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from testbed.report.html.judged import JudgedNight, JudgedReplay
    from testbed.report.rows import Rows
    from testbed.verdict.latency import Latency

MOST_COLUMNS = 4  # of a table, so that each can be read; the others stand in a table below


def section(nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return the tables of each night."""
    body: list[Markup] = []
    for judged in nights:
        if len(nights) > 1:
            body.append(element("h3", judged.title))
        for title, rows in (
            ("What became of each variant", side_by_side.night_rows(judged.shown)),
            ("", rises.rows(judged.shown)),
            ("", side_by_side.cost_rows(judged.shown)),
        ):
            body += _tables(title or rows.title, rows, [replay.name for replay in judged.replays])
        body += [_latency(replay) for replay in judged.replays]
    return Fragment("compared", "The variants side by side, and what it cost", joined(*body))


def _tables(title: str, rows: Rows, names: Sequence[str]) -> list[Markup]:
    return [
        markup.table(
            title,
            [rows.heading or "what", *names[first : first + MOST_COLUMNS]],
            [[name, *map(_plain, cells[first : first + MOST_COLUMNS])] for name, cells in rows.rows],
            class_="side",
        )
        for first in range(0, len(names) if rows.rows else 0, MOST_COLUMNS)
    ]


def _plain(cell: RenderableType) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)


def _latency(replay: JudgedReplay) -> Markup:
    heads = ["caller, when", "answered", "failed", "never answered", "median, s", "90 %, s", "99 %, s", "longest, s"]
    faulty = replay.judgement.figures.first_fault is not None
    rows = [
        [f"{caller}, {half} the first fault" if faulty else caller, *_numbers(halves[half])]
        for caller, halves in replay.judgement.figures.latency.items()
        for half in (HALVES if faulty else HALVES[:1])
    ]
    return markup.table(f"How long passengers waited over {replay.label}, in real seconds from when their request was due", heads, rows)


def _numbers(latency: Latency) -> list[str]:
    asked = latency.answered + latency.unanswered
    seconds = [latency.median_s, latency.p90_s, latency.p99_s, latency.longest_s]
    return [
        *map(str, (latency.answered, latency.failed, latency.unanswered)),
        *(f"{value:.3f}" if value is not None else "never" if asked else "nobody" for value in seconds),
    ]
