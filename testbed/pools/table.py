"""The kept measurements, `measured.jsonl`: a line a cell; and the page of them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from statistics import median_high
from typing import TYPE_CHECKING, Any, get_args

from pydantic import TypeAdapter, ValidationError

from testbed.errors import UsageError
from testbed.plan import written_file
from testbed.pools.cell import Measurement, Mistake

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from testbed.pools.cell import Cell, Result

MEASUREMENT = TypeAdapter(Measurement)
BEGIN, END = "<!-- the table: `python -m testbed.pools` writes it -->", "<!-- the end of the table -->"
FILE, PAGE = "measured.jsonl", "README.md"
TITLES = {
    "switchover_idle": "switchover, idle before it",
    "switchover_in_flight": "switchover, requests in flight",
    "sessions_ended": "sessions ended",
    "silence": "silence for 4 s",
    "idle_drop": "idle drop",
    "down": "down for 3 s",
}


def read(path: Path) -> list[Measurement]:
    """Read what was kept; an empty list where there is none. Raises UsageError that names the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(MEASUREMENT.validate_json(line))
        except ValidationError as error:
            raise UsageError(f"{path}, line {number}: {error.errors()[0]['msg']}; remove it, and measure again") from error
    return found


def text(measurements: Iterable[Measurement]) -> str:
    """Return the lines to keep."""
    return "".join(json.dumps(asdict(measurement)) + "\n" for measurement in measurements)


def merged(kept: Sequence[Measurement], new: Sequence[Measurement]) -> list[Measurement]:
    """Return what is kept and the new in one order: of the same cell on the same versions all repetitions, of others the new."""
    by_cell = {measurement.cell: measurement for measurement in kept}
    for measurement in new:
        before = by_cell.get(measurement.cell)
        same = before is not None and before.versions == measurement.versions
        by_cell[measurement.cell] = (
            replace(measurement, results=(*before.results, *measurement.results)) if before and same else measurement
        )
    return sorted(by_cell.values(), key=lambda each: _place(each.cell))


def _place(cell: Cell) -> tuple[int, str, bool, int]:
    return get_args(Mistake).index(cell.mistake), cell.pool, cell.check, list(TITLES).index(cell.situation)


def keep(folder: Path, new: Sequence[Measurement]) -> None:
    """Add the new measurements to a folder: to its lines, and the table on its page where that has a place for one."""
    measurements = merged(read(folder / FILE), new)
    written_file.write(folder / FILE, text(measurements))
    page = folder / PAGE
    if page.exists() and BEGIN in (old := page.read_text(encoding="utf-8")):
        before, _, rest = old.partition(BEGIN)
        written_file.write(page, f"{before}{BEGIN}\n\n{markdown(measurements)}\n\n{END}{rest.partition(END)[2]}")


def markdown(measurements: Sequence[Measurement]) -> str:
    """Return one table for each way to clean up, a row for each pool with or without its check, and the versions below."""
    lines: list[str] = []
    for mistake in dict.fromkeys(each.cell.mistake for each in measurements):
        lines += [*_table(mistake, [each for each in measurements if each.cell.mistake == mistake]), ""]
    versions = sorted({(name, number) for each in measurements for name, number in each.versions.items()})
    repetitions = Counter(len(each.results) for each in measurements)
    counts = ", ".join(f"{cells} cells {count} times" for count, cells in sorted(repetitions.items()))
    rows = [f"| {name} | {number} |" for name, number in versions]
    return "\n".join([*lines, f"Measured: {counts}.", "", "| measured on | version |", "|---|---|", *rows])


def _table(mistake: Mistake, rows: Sequence[Measurement]) -> list[str]:
    lines = [f"### `{mistake}`", "", f"| pool | check | {' | '.join(TITLES.values())} |", "|---|---|" + "---|" * len(TITLES)]
    by_cell: dict[tuple[str, bool], dict[str, Measurement]] = {}
    for row in rows:
        by_cell.setdefault((row.cell.pool, row.cell.check), {})[row.cell.situation] = row
    for (pool, check), found in by_cell.items():
        cells = [summary(found[situation].results) if situation in found else "not measured" for situation in TITLES]
        lines.append(f"| `{pool}` | {'on' if check else 'off'} | {' | '.join(cells)} |")
    return lines


def summary(results: Sequence[Result]) -> str:
    """Return a cell in words: the ways, each with how often where they differ, and the medians of what was counted."""
    ways = Counter(result.way for result in results)
    way, count = ways.most_common(1)[0]
    told = [result for result in results if result.way == way]
    parts = [f"**{way}**" if way != "comes back" else _back(told)]
    if len(ways) > 1:
        parts[0] += f" {count} of {len(results)} (else {', '.join(sorted(set(ways) - {way}))})"
    if way == "refuses" and (waited := _median([result.refused_after_s for result in told])) is not None:
        parts[0] += " at once" if waited < 0.5 else f" after {waited:.1f} s"  # noqa: PLR2004 - of a checkout that waits for 2 s
    for name, values in (
        ("errors", [result.errors for result in told]),
        ("hanging", [result.hanging for result in told]),
        ("lost", [result.lost for result in told]),
    ):
        middle = _median(values)
        if middle:
            parts.append(f"{middle:g} {name}" if middle != 1 else f"1 {name.removesuffix('s')}")
    return ", ".join(parts)


def _back(results: Sequence[Result]) -> str:
    after_s = _median([result.well_after_s for result in results])
    if after_s is None:
        return "comes back"
    return "well at once" if after_s < 0.5 else f"comes back after {after_s:.0f} s"  # noqa: PLR2004 - between two bursts


def _median(values: Sequence[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return float(median_high(known)) if known else None
