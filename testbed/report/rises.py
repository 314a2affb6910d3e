"""What rises for good over a long run: the slope of each resource series, by the hour of the night."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from testbed.report.rows import Nothing, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from testbed.report.nights import Night
    from testbed.verdict.checks.longevity import Judged

TITLE = "What rises for good, and by how much in an hour of the night (in brackets, its interval)"


def rows(night: Night) -> Rows:
    """Return a row for each kind of series: each that rises, and in short those that are steady. No rows if no series was judged."""
    kinds = dict.fromkeys(judged.series.kind for judgement in night.judgements for judged in judgement.longevity)
    cells = [
        (
            kind.name if kind.name.endswith(kind.unit) else f"{kind.name}, {kind.unit}",
            [_cell([judged for judged in judgement.longevity if judged.series.kind is kind]) for judgement in night.judgements],
        )
        for kind in kinds
    ]
    return Rows(TITLE, "series", cells)


def _cell(series: Sequence[Judged]) -> RenderableType:
    rising = [judged for judged in series if judged.slope.rises]
    steady = [judged.slope.per_unit for judged in series if not judged.slope.rises]
    lines = [
        Text(
            f"{judged.series.kind.word}: {judged.series.of} {_number(judged.slope.per_unit)} "
            f"({_number(judged.slope.low)} to {_number(judged.slope.high)})",
            "red",
        )
        for judged in rising
    ]
    if steady:
        least, most = _number(min(steady), 2), _number(max(steady), 2)
        lines.append(Text(f"{len(steady)} steady: {least if least == most else f'{least} to {most}'}"))
    return Text("\n").join(lines) if lines else Nothing("none was judged")


def _number(slope: float, digits: int = 3) -> str:
    """Format a slope with its sign; 0 for what is as good as that."""
    return f"{slope:+.{digits}g}" if round(slope, 6) else "0"
