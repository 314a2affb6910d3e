"""Counts how often the gate is wrong: `python tests/benchmarks/gate.py --against FOLDER [--runs N] [--draws N]`.

FOLDER is a kept matrix; `testbed matrix --scenario the_night --variant fixed --variant governor --replays 5 --out FOLDER` makes one.

`--runs N`: so many gate runs over the cells of a folder, of real replays. `--planted CELL=VARIANT`: after each run another one over
the same replays, but for those of one cell, which are made anew with the settings of another variant, as if somebody had broken it. It
should find that cell to be worse. Given more than once, they take turns.

`--draws N`: so many gate runs whose replays are drawn from those of the folder, baseline and now alike, with `--replays` a cell in the
baseline. Where only a tally was kept, figures are those of the cell, and nobody waited. Without another option all that is found is a
false alarm. `--into KIND` makes one cell worse in a share of the nights, for several shares: `grounded` (and nothing is answered), or
`fewer` (the same outcome and crack, and half as much answered). Nothing here is a test.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import scenario_file
from testbed.cli.options import JOBS
from testbed.experiments import run_folders
from testbed.experiments.matrix import folder, gate, plan, table
from testbed.experiments.matrix.cell import Cell, Part, Replay, Slowest, most_of
from testbed.experiments.matrix.replays import MatrixBatch
from testbed.runtime import backends

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testbed.experiments.matrix.plan import PlannedCell
    from testbed.experiments.matrix.table import Matrix
    from testbed.plan.settings import KeptVariant

NOBODY_WAITED = Slowest(median_s=0.0, p99_s=0.0)
LEAST_SHARE = 0.12  # of what a cell answered: half of less is within the margin
SHARES = (0.3, 0.5, 0.7, 0.8, 0.9, 1.0)


class NoCheckpoint:
    """Keeps nothing: every run is a new measurement."""

    def find(self, planned: PlannedCell, number: int = 1) -> Cell | None:  # noqa: ARG002 - the protocol's
        """Return nothing."""
        return None

    def add(self, planned: PlannedCell, cell: Cell, number: int = 1) -> None:
        """Keep nothing."""


def told(result: gate.Result) -> str:
    """Format what a gate run found: its word, and each cell that is not the same."""
    word = next((word for word in ("worse", "unknown") if word in result.changes), "passed")
    cells = [
        f"{one.now[0].variant} {one.change} after {len(one.now)} ({one.note or 'no note'})" for one in result.cells if one.change != "same"
    ]
    return "; ".join([word, *cells])


async def replayed(baseline: Matrix, runs: int, planted: Sequence[tuple[str, str]]) -> dict[str, Counter[str]]:
    """Make gate runs of real replays, and print each; returns how many ended as what, and what became of each cell that was broken."""
    (column,) = baseline.columns
    kept = scenario_file.kept_variants(used=())
    backend = backends.of(column.runtime)
    scenario = scenario_file.load(scenario_file.find(column.scenario))

    def cells_of(variants: dict[str, KeptVariant]) -> tuple[PlannedCell, ...]:
        return plan.plan([scenario], variants, column.runtime, backend.slowdown).cells

    cells = cells_of({row.variant: kept[row.variant] for row in baseline.rows})
    counts: dict[str, Counter[str]] = defaultdict(Counter)

    async def run(name: str, made: Sequence[PlannedCell], beside: Sequence[Cell]) -> tuple[list[Cell], gate.Result]:
        replays = MatrixBatch(backend, run_folders.runs_directory(None, f"gate-{name}"))
        planned = {cell.key: cell for cell in (*cells, *made)}
        anew = {cell.key: cell for cell in await replays.cells(made, JOBS, NoCheckpoint(), lambda *_: None)}
        now = list(({cell.key: cell for cell in beside} | anew).values())
        result = await gate.compare(baseline, now, lambda cell: replays.replay(planned[cell.key]))
        sys.stdout.write(f"{name}: {told(result)}\n")
        sys.stdout.flush()
        return now, result

    async with backend:
        for number in range(1, runs + 1):
            now, result = await run(str(number), cells, ())
            counts["the same code"][told(result).partition(";")[0]] += 1
            if planted:
                into, settings = planted[(number - 1) % len(planted)]
                _, result = await run(f"{number}-{into}-as-{settings}", cells_of({into: kept[settings]}), now)
                counts[f"{into} as {settings}"][next(one.change for one in result.cells if one.now[0].variant == into)] += 1
    return counts


def broken(text: str) -> tuple[str, str]:
    """Return the cell's variant and the one whose settings it gets."""
    into, separator, settings = text.partition("=")
    if not separator:
        message = f"CELL=VARIANT is needed, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return into, settings


def alone(cell: Cell, replay: Replay) -> Cell:
    """Return a cell of this one replay."""
    update = {"outcome": replay.outcome, "crack": replay.crack, "replays": (replay,), "tallies": (), "recovery_s": replay.recovery_s}
    return cell.model_copy(update=update)


def worse(kind: str, replay: Replay) -> Replay:
    """Return a replay as it would be worse."""
    half = Part(count=replay.answered.count // 2, of=replay.answered.of) if replay.answered else None
    if kind == "fewer":
        return replay.model_copy(update={"answered": half})
    nothing = replay.answered and Part(count=0, of=replay.answered.of)
    return replay.model_copy(update={"outcome": "grounded", "crack": 6, "answered": nothing, "recovery_s": None})


def drawn(
    cells: Sequence[Cell], baseline_replays: int, source: random.Random, now: Callable[[Cell, Replay], Replay]
) -> tuple[gate.Result, int]:
    """Draw a baseline and a gate run of these cells; returns what was found, and how many replays it took beside the first looks."""

    def draw(cell: Cell, *, believed: bool = False) -> Replay:
        # The matrix makes a replay that cannot be believed again, the gate another one beside it.
        replay = source.choice([replay for replay in cell.each if replay.is_believed or not believed])
        if replay.outcome is None or replay.waited is not None:
            return replay
        return replay.model_copy(update={"answered": cell.all_answered, "recovery_s": cell.recovery_s, "waited": NOBODY_WAITED})

    count = 0

    async def again(cell: Cell) -> Cell:
        nonlocal count
        count += 1
        origin = by_key[cell.key]
        return alone(origin, now(origin, draw(origin)))

    by_key = {cell.key: cell for cell in cells}
    before = [most_of([alone(cell, draw(cell, believed=True)) for _ in range(baseline_replays)]) for cell in cells]
    first = [alone(cell, now(cell, draw(cell, believed=True))) for cell in cells]
    columns = tuple(
        table.Column(scenario=a, runtime=b, title="", seed=0, requests=0, trace_sha256="") for a, b in {c.column for c in cells}
    )
    rows = tuple(table.Row(variant=name) for name in dict.fromkeys(cell.variant for cell in cells))
    kept = table.Matrix(columns=columns, rows=rows, cells=tuple(before))
    return asyncio.run(gate.compare(kept, first, again)), count


def simulated(cells: Sequence[Cell], given: argparse.Namespace) -> None:
    """Draw gate runs and print how many ended as what."""
    source = random.Random(given.seed)
    if given.into is None:
        words: Counter[str] = Counter()
        extra = 0
        for _ in range(given.draws):
            result, count = drawn(cells, given.replays, source, lambda _, replay: replay)
            words[told(result).partition(";")[0]] += 1
            extra += count
        sys.stdout.write(
            f"{len(cells)} cells, {given.replays} replays in the baseline: {dict(words)}, {extra / given.draws:.1f} more replays\n"
        )
        return
    for share in SHARES:
        found = extra = 0
        able = [cell for cell in cells if (cell.all_answered.share or 0.0) > LEAST_SHARE and not (given.into == cell.outcome == "grounded")]
        for number in range(given.draws):
            broken = able[number % len(able)]

            def now(cell: Cell, replay: Replay, broken: Cell = broken, share: float = share) -> Replay:
                return worse(given.into, replay) if cell.key == broken.key and source.random() < share else replay

            result, count = drawn(cells, given.replays, source, now)
            found += next(one for one in result.cells if one.now[0].key == broken.key).change == "worse"
            extra += count
        sys.stdout.write(f"{given.into} in {share:.0%} of nights: found {found} of {given.draws}, {extra / given.draws:.1f} more replays\n")
        sys.stdout.flush()


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, required=True, help="the folder of the baseline")
    parser.add_argument("--scenario", default="the_night", help="of this folder (default: the_night)")
    parser.add_argument("--runtime", default="processes", help="default: processes")
    parser.add_argument("--runs", type=int, default=0, help="gate runs of real replays")
    parser.add_argument("--planted", action="append", default=[], type=broken, metavar="CELL=VARIANT", help="a cell that gets worse")
    parser.add_argument("--draws", type=int, default=0, help="gate runs that are drawn")
    parser.add_argument("--replays", type=int, default=5, help="replays of a cell in a baseline that is drawn (default: 5)")
    parser.add_argument("--into", choices=("grounded", "fewer"), help="what one cell comes out as in a share of the nights that are drawn")
    parser.add_argument("--seed", type=int, default=1, help="of the draws (default: 1)")
    given = parser.parse_args()
    kept = folder.read(given.against, scenario_file.kept_variants(used=())).only((given.scenario, given.runtime))
    if given.runs:
        for what, counted in asyncio.run(replayed(kept, given.runs, given.planted)).items():
            sys.stdout.write(f"{what}: {dict(counted)} of {counted.total()} runs\n")
    if given.draws:
        simulated(kept.cells, given)


if __name__ == "__main__":
    main()
