"""The gate: compare a matrix with a baseline, and find the cells that got worse.

A cell is worse if most of its replays are worse than every replay of it that the baseline has, so that chance fails no build.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.table import Table
from rich.text import Text

from testbed.errors import UsageError
from testbed.experiments.matrix.text import short

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from testbed.experiments.matrix.cell import Cell
    from testbed.experiments.matrix.table import Matrix

REPLAYS = 5  # of a cell that looks worse: it is worse if more than half of them are
Change = Literal["same", "better", "worse", "unknown", "new"]
STYLE: dict[Change, str] = {"same": "dim", "better": "green", "worse": "bold red", "unknown": "bold yellow", "new": "cyan"}


@dataclass(frozen=True, slots=True)
class Compared:
    """A cell of the baseline (None: it has none) and the replays of now: one, or more if that one looked worse."""

    baseline: Cell | None
    now: tuple[Cell, ...]

    @property
    def known(self) -> tuple[Cell, ...]:
        """The replays whose outcome is known."""
        return tuple(cell for cell in self.now if cell.outcome is not None)

    @property
    def change(self) -> Change:
        """How the majority of the replays compares with the baseline."""
        if self.baseline is None or self.baseline.outcome is None:
            return "new"
        if not self.known:
            return "unknown"
        worse = sum(cell.badness > self.baseline.worst for cell in self.known)
        better = sum(cell.badness < self.baseline.badness for cell in self.known)
        if 2 * worse > len(self.known):
            return "worse"
        return "better" if 2 * better > len(self.known) else "same"


def require_comparable(baseline: Matrix, now: Matrix) -> None:
    """Raise UsageError if a column of both has two traces: then there is nothing to compare."""
    before_by_key = {column.key: column for column in baseline.columns}
    for column in now.columns:
        before = before_by_key.get(column.key)
        if before is not None and (before.trace_sha256, before.seed) != (column.trace_sha256, column.seed):
            raise UsageError(
                f"the baseline has another trace of {column.scenario} (seed {before.seed}, {before.requests} requests; now seed "
                f"{column.seed}, {column.requests}); make it anew with `testbed matrix --scenario {column.scenario} --out`"
            )


def gone(baseline: Matrix, now: Matrix, runtime: str) -> tuple[str, ...]:
    """Return the cells of a runtime that the baseline has and `now` lacks: a variant or a scenario was taken away."""
    present = {cell.key for cell in now.cells}
    return tuple(" ".join(cell.key) for cell in baseline.cells if cell.runtime == runtime and cell.key not in present)


async def compare(baseline: Matrix, cells: Iterable[Cell], again: Callable[[Cell], Awaitable[Cell]]) -> tuple[Compared, ...]:
    """Compare each cell with the baseline's; call `again` for one that looks worse until more than half of its replays agree."""
    before = {cell.key: cell for cell in baseline.cells}
    results = []
    for cell in cells:
        compared = Compared(before.get(cell.key), (cell,))
        if compared.change == "worse":
            while len(compared.now) < REPLAYS and not _is_certain(compared):
                compared = Compared(compared.baseline, (*compared.now, await again(cell)))
        results.append(compared)
    return tuple(results)


def _is_certain(compared: Compared) -> bool:
    """Return whether the replays that are left could not change the majority."""
    assert compared.baseline is not None
    worse = sum(cell.badness > compared.baseline.worst for cell in compared.known)
    return 2 * worse > REPLAYS or 2 * (len(compared.known) - worse) >= REPLAYS


def table(results: Sequence[Compared]) -> Table:
    """Return a table of the cells that changed, with the number of those that did not."""
    same = sum(compared.change == "same" for compared in results)
    drawn = Table(title="Against the baseline", caption=f"{same} of {len(results)} cells are the same", box=box.SIMPLE_HEAD)
    for head in ("scenario", "runtime", "variant", "baseline", "now", ""):
        drawn.add_column(head)
    for compared in results:
        if compared.change == "same" and len(compared.now) == 1:
            continue
        words = [short(cell) for cell in compared.now]
        now = "\n".join(f"{words.count(word)} of {len(words)}: {word}" if len(words) > 1 else word for word in dict.fromkeys(words))
        drawn.add_row(*compared.now[0].key, short(compared.baseline), now, Text(compared.change, STYLE[compared.change]))
    return drawn
