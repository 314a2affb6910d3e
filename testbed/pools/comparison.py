"""The comparison: every cell, some at a time, each as often as it should be."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING

from testbed.pools import families
from testbed.pools.cell import Evidence, Measurement
from testbed.pools.ending import judge
from testbed.pools.measure import measure
from testbed.runtime.processes.shared_parts import SharedParts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from testbed.pools.cell import Cell


async def compare(
    cells: Sequence[Cell], repeat: int, at_once: int, watch_s: int, report: Callable[[Measurement], None], evidence_file: Path | None = None
) -> None:
    """Measure each cell so often, and report it; one whose service cannot run here is unknown, and says what is missing."""
    async with SharedParts() as shared:
        for batch in _batches(cells, at_once):
            missing = {cell: families.of(cell.pool).missing(cell.pool) for cell in batch}
            here = [cell for cell in batch if not missing[cell]]
            seen: dict[Cell, list[Evidence]] = {cell: [] for cell in here}
            for _ in range(repeat if here else 0):
                for cell, evidence in zip(here, await measure(shared, here, watch_s), strict=True):
                    seen[cell].append(evidence)
                    if evidence_file is not None:
                        with evidence_file.open("a", encoding="utf-8") as file:
                            file.write(json.dumps({"cell": asdict(cell), **asdict(evidence)}) + "\n")
            for cell in batch:
                results = tuple(judge(evidence) for evidence in seen.get(cell, [Evidence(0, failure=missing[cell])]))
                versions = {"postgresql": shared.versions["postgresql"], **families.of(cell.pool).versions(cell.pool)}
                report(Measurement(cell, results, versions))


def _batches(cells: Sequence[Cell], at_once: int) -> Iterator[list[Cell]]:
    """Yield the cells so many at a time, those of a batch all of one situation."""
    for _, group in groupby(cells, key=lambda cell: cell.situation):
        same = list(group)
        for first in range(0, len(same), at_once):
            yield same[first : first + at_once]
