"""The gate: a matrix against a kept one, and whether a cell got worse. Where the outcome is not certain, chance does not decide.

Worse is worse than anything that was seen of the cell when the kept matrix was made, and more often than not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.table import Table
from rich.text import Text

from testbed.errors import UsageError
from testbed.matrix.told import short

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from testbed.matrix.cell import Cell
    from testbed.matrix.table import Matrix

REPLAYS = 5  # of a cell that looks worse: it is worse when more than half of them are
Change = Literal["same", "better", "worse", "unknown", "new"]
STYLE: dict[Change, str] = {"same": "dim", "better": "green", "worse": "bold red", "unknown": "bold yellow", "new": "cyan"}


@dataclass(frozen=True, slots=True)
class Compared:
    """A cell of the baseline (None: it has none) and the replays of now, of which there is one unless it looked worse."""

    baseline: Cell | None
    now: tuple[Cell, ...]

    @property
    def told(self) -> tuple[Cell, ...]:
        """The replays whose outcome can be told."""
        return tuple(one for one in self.now if one.outcome is not None)

    @property
    def change(self) -> Change:
        """What became of the cell: of most of its replays."""
        if self.baseline is None or self.baseline.outcome is None:
            return "new"
        if not self.told:
            return "unknown"
        worse = sum(one.badness > self.baseline.worst for one in self.told)
        better = sum(one.badness < self.baseline.badness for one in self.told)
        if 2 * worse > len(self.told):
            return "worse"
        return "better" if 2 * better > len(self.told) else "same"


def see_comparable(baseline: Matrix, now: Matrix) -> None:
    """Raise UsageError when a column of both is not the same trace: then there is nothing to compare."""
    kept = {one.key: one for one in baseline.columns}
    for column in now.columns:
        before = kept.get(column.key)
        if before is not None and (before.trace_sha256, before.seed) != (column.trace_sha256, column.seed):
            raise UsageError(
                f"the baseline has another trace of {column.scenario} (seed {before.seed}, {before.requests} requests; now seed "
                f"{column.seed}, {column.requests}); make it anew with `testbed matrix --out`"
            )


def gone(baseline: Matrix, now: Matrix, runtime: str) -> tuple[str, ...]:
    """Name the cells of a runtime that the baseline has and the matrix of now has not: a variant or a scenario was taken away."""
    there = {one.key for one in now.cells}
    return tuple(" ".join(one.key) for one in baseline.cells if one.runtime == runtime and one.key not in there)


async def compare(baseline: Matrix, cells: Iterable[Cell], again: Callable[[Cell], Awaitable[Cell]]) -> tuple[Compared, ...]:
    """Compare each cell with the baseline's; one that looks worse is replayed `again` until more than half of all replays say the same."""
    before = {one.key: one for one in baseline.cells}
    compared = []
    for cell in cells:
        one = Compared(before.get(cell.key), (cell,))
        if one.change == "worse":
            while len(one.now) < REPLAYS and not _is_certain(one):
                one = Compared(one.baseline, (*one.now, await again(cell)))
        compared.append(one)
    return tuple(compared)


def _is_certain(one: Compared) -> bool:
    """Whether the replays that are left could not change what most of them say."""
    assert one.baseline is not None
    worse = sum(cell.badness > one.baseline.worst for cell in one.told)
    return 2 * worse > REPLAYS or 2 * (len(one.told) - worse) >= REPLAYS


def table(compared: Sequence[Compared]) -> Table:
    """Draw what changed; when nothing did, how much did not."""
    same = sum(one.change == "same" for one in compared)
    drawn = Table(title="Against the baseline", caption=f"{same} of {len(compared)} cells are the same", box=box.SIMPLE_HEAD)
    for head in ("scenario", "runtime", "variant", "baseline", "now", ""):
        drawn.add_column(head)
    for one in compared:
        if one.change == "same" and len(one.now) == 1:
            continue
        words = [short(cell) for cell in one.now]
        now = "\n".join(f"{words.count(word)} of {len(words)}: {word}" if len(words) > 1 else word for word in dict.fromkeys(words))
        drawn.add_row(*one.now[0].key, short(one.baseline), now, Text(one.change, STYLE[one.change]))
    return drawn
