"""Repetition: how often a variant came out as what, with a confidence interval."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import TYPE_CHECKING

from testbed.plan.clock import span_text
from testbed.report.fitted import Column, FittedTable
from testbed.verdict.finding import Verdict
from testbed.verdict.rate import interval_text, wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from testbed.verdict.result import Result

    Row = tuple[str, str, str]  # what, how many of how many, and the interval, or the median and from what to what

CAPTION = (
    "interval: 95 %, Wilson; times: median (from … to); as expected: of the replays whose verdict is known; "
    "outcome, crack and hang: of those that can be believed; time to hang: of the night, from when the first fault had ended or been "
    "injected (from its begin, if it hung before that)"
)


def table(results: Sequence[Result]) -> FittedTable:
    """Return a table: for each variant how often it came out as expected, with which outcome and crack, and how often and when it hung.

    Which checks did not hold is told with the number of replays in which each was broken or unknown. What is unknown is counted in rows of
    its own, and is in no rate. Of a replay that cannot be believed, no outcome, crack or hang counts.
    """
    headings = ("variant", "what", "replays", "interval, or time")
    drawn = FittedTable([Column(heading) for heading in headings], title="Repeated", caption=CAPTION)
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
    yield from _not_held(results)
    yield from _each(believed, lambda result: f"{result.judgement.outcome or 'outcome unknown'} ({result.judgement.reason.code})")
    yield from _each(believed, lambda result: f"crack {result.judgement.crack_number} {result.judgement.crack.word}")
    hung = [result for result in believed if result.judgement.figures.hang is not None]
    spans = [span for result in hung if (span := result.judgement.figures.time_to_hang_night_s) is not None]
    yield _rate("hung", len(hung), len(believed))
    if spans:
        yield "time to hang", f"{len(spans)}", _spread(spans, span_text)
    yield "wall time", f"{len(results)}", _spread([result.wall_s for result in results], lambda wall_s: f"{wall_s:.1f} s")


def _not_held(results: Sequence[Result]) -> Iterator[Row]:
    """Yield a row for each check that did not hold in every replay, in the order in which they first did not."""
    counts: dict[str, Counter[str]] = {}
    for result in results:
        for finding in result.judgement.findings:
            if finding.verdict is not Verdict.HELD:
                counts.setdefault(finding.check, Counter())[finding.verdict.value] += 1
    for check, verdicts in counts.items():
        words = ", ".join(f"{count} {word}" for word, count in sorted(verdicts.items()))
        yield f"not held: {check}", f"{verdicts.total()} of {len(results)}", words if len(verdicts) > 1 else "".join(verdicts)


def _each(results: Sequence[Result], word: Callable[[Result], str]) -> Iterator[Row]:
    words = [word(result) for result in results]
    for what in dict.fromkeys(words):
        yield _rate(what, words.count(what), len(words))


def _rate(what: str, count: int, of: int) -> Row:
    interval = interval_text(*wilson(count, of)) if of else "unknown"
    return what, f"{count} of {of}", interval


def _spread(values: Sequence[float], text: Callable[[float], str]) -> str:
    return f"{text(statistics.median(values))} ({text(min(values))} … {text(max(values))})"
