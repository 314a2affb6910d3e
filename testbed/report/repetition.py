"""Repetition: how often a variant came out as what, with a confidence interval."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from testbed.plan.clock import span_text
from testbed.verdict.finding import Verdict
from testbed.verdict.rate import interval_text, wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from testbed.verdict.result import Result

    Row = tuple[str, str, str]  # what, how many of how many, and the interval, or the median and from what to what

CAPTION = (
    "interval: 95 %, Wilson; times: median (from … to); as expected: of the replays whose verdict is known; "
    "outcome, crack and hang: of those that can be believed; time to hang: of the night, from the end of the first fault"
)


def table(results: Sequence[Result]) -> Table:
    """Return a table: for each variant how often it came out as expected, with which outcome and crack, and how often and when it hung.

    What is unknown is counted in rows of its own, and is in no rate. Of a replay that cannot be believed, no outcome, crack or hang counts.
    """
    drawn = Table(title="Repeated", caption=CAPTION, box=box.SIMPLE_HEAD)
    for heading in ("variant", "what", "replays", "interval, or time"):
        drawn.add_column(heading)
    for variant in dict.fromkeys(result.judgement.figures.header.variant for result in results):
        of_variant = [result for result in results if result.judgement.figures.header.variant == variant]
        for number, row in enumerate(rows(of_variant)):
            drawn.add_row("" if number else variant, *row)
        drawn.add_section()
    return drawn


def rows(results: Sequence[Result]) -> Iterator[Row]:
    """Yield the rows of one variant."""
    known = [result for result in results if result.judgement.verdict is not Verdict.UNKNOWN]
    believed = [result for result in results if not result.judgement.doubts]
    yield _rate("as expected", sum(result.judgement.verdict is Verdict.HELD for result in known), len(known))
    if len(known) < len(results):
        yield "verdict unknown", f"{len(results) - len(known)} of {len(results)}", ""
    if len(believed) < len(results):
        yield "not to be believed", f"{len(results) - len(believed)} of {len(results)}", ""
    yield from _each(believed, lambda result: f"{result.judgement.outcome or 'outcome unknown'} ({result.judgement.reason.code})")
    yield from _each(believed, lambda result: f"crack {int(result.judgement.crack)} {result.judgement.crack.word}")
    hung = [result for result in believed if result.judgement.figures.hang is not None]
    spans = [span for result in hung if (span := result.judgement.figures.time_to_hang_night_s) is not None]
    yield _rate("hung", len(hung), len(believed))
    if spans:
        yield "time to hang", f"{len(spans)}", _spread(spans, span_text)
    yield "wall time", f"{len(results)}", _spread([result.wall_s for result in results], lambda wall_s: f"{wall_s:.1f} s")


def _each(results: Sequence[Result], word: Callable[[Result], str]) -> Iterator[Row]:
    words = [word(result) for result in results]
    for what in dict.fromkeys(words):
        yield _rate(what, words.count(what), len(words))


def _rate(what: str, count: int, of: int) -> Row:
    interval = interval_text(*wilson(count, of)) if of else "unknown"
    return what, f"{count} of {of}", interval


def _spread(values: Sequence[float], text: Callable[[float], str]) -> str:
    return f"{text(statistics.median(values))} ({text(min(values))} … {text(max(values))})"
