"""Repetition: how often a variant came out as expected, with a confidence interval."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from rich.table import Table

from testbed.plan.clock import span_text
from testbed.verdict.finding import Verdict
from testbed.verdict.rate import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.verdict.result import Result


def table(results: Sequence[Result]) -> Table:
    """Return a table: for each variant how often it came out as expected, its outcomes with their reasons, and the times to the hang."""
    drawn = Table(title="Repeated", caption="interval: 95 %, Wilson; time to hang: of the night, from the end of the first fault")
    for heading in (
        "variant",
        "as expected",
        "interval",
        "outcomes",
        "time to hang: median",
        "from … to",
        "wall: median",
    ):
        drawn.add_column(heading)
    for variant in dict.fromkeys(result.judgement.figures.header.variant for result in results):
        of_variant = [result for result in results if result.judgement.figures.header.variant == variant]
        held = sum(result.judgement.verdict is Verdict.HELD for result in of_variant)
        low, high = wilson(held, len(of_variant))
        hangs = [span for result in of_variant if (span := result.judgement.figures.time_to_hang_night_s) is not None]
        reasons = [result.judgement.reason for result in of_variant]
        outcomes = [f"{reason.outcome or 'unknown'} ({reason.code})" for reason in reasons]
        drawn.add_row(
            variant,
            f"{held} of {len(of_variant)}",
            f"{low:.1%} to {high:.1%}",
            ", ".join(f"{outcomes.count(word)} {word}" for word in dict.fromkeys(outcomes)),
            span_text(statistics.median(hangs)) if hangs else "never hung",
            f"{span_text(min(hangs))} … {span_text(max(hangs))}" if hangs else "",
            f"{statistics.median(result.wall_s for result in of_variant):.1f} s",
        )
    return drawn
