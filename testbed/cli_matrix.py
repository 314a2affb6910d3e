"""The commands of the containment matrix: `testbed matrix`, and `testbed matrix merge`."""

from __future__ import annotations

import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed import cli_where, places, scenario_file, session
from testbed.concurrency import map_limited
from testbed.console import plain
from testbed.errors import FacilityError, UsageError
from testbed.interruption import interruptible
from testbed.matrix import gate, heat_map, minimal, plan, progress, run, table, told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from testbed.matrix.cell import Cell
    from testbed.matrix.minimal import PatternSet, Reached
    from testbed.matrix.plan import Plan, Planned
    from testbed.places import Where
    from testbed.runtime import Address
    from testbed.scenario import Scenario
    from testbed.topology import KeptVariant

WORSE, UNKNOWN = 1, 3
HOME = ".testbed/matrix"
JOBS = (os.cpu_count() or 1) + 1  # a replay waits now and then, for its night or for what may yet come back


@dataclass(frozen=True, slots=True)
class Bench:
    """Where replays are made and how many at a time, the directory of their journals and progress, and where it is told.

    `fresh`: what an interrupted matrix had got to is forgotten.
    """

    where: Where
    jobs: int
    runs: Path
    fresh: bool
    console: Console

    def directory(self, what: str) -> Path:
        """Make a directory for the journals of this command."""
        return session.runs_directory(str(self.runs), what)


@click.group(invoke_without_command=True)
@click.option("--scenario", "names", multiple=True, help="Only this scenario; may be given more than once. All that the runtime can run.")
@click.option("--variant", "variants", multiple=True, help="Only this variant of variants.toml; may be given more than once.")
@cli_where.runtime
@click.option("--jobs", type=click.IntRange(1, 64), default=JOBS, show_default="one for each core, and one more", help="Replays at a time.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Another seed for the passengers.")
@click.option("--shard", help="I/N: only every Nth cell from the Ith, for one of N runners; `merge` puts them together.")
@click.option("--out", type=click.Path(path_type=Path), help="Write OUT.json, OUT.md and OUT.svg.")
@click.option("--against", type=click.Path(path_type=Path), help="Compare with a kept matrix; exit code 1 when a cell got worse.")
@click.option(
    "--minimal", "wanted", type=click.Choice(["unharmed", "contained"]), help="Search the smallest sets of patterns that reach this."
)
@click.option("--largest", type=click.IntRange(1, 6), default=3, show_default=True, help="With --minimal: patterns in a set at most.")
@click.option("--fresh", is_flag=True, help="Forget what an interrupted matrix had got to.")
@click.option("--runs", type=click.Path(path_type=Path), default=HOME, show_default=True, help="Directory for journals and progress.")
@cli_where.toxiproxy
@cli_where.postgres
@click.pass_context
def matrix(
    context: click.Context,
    names: tuple[str, ...],
    variants: tuple[str, ...],
    runtime: str,
    jobs: int,
    seed: int | None,
    shard: str | None,
    out: Path | None,
    against: Path | None,
    wanted: str | None,
    largest: int,
    fresh: bool,  # noqa: FBT001 - click hands every option over by its name
    runs: Path,
    toxiproxy: Address | None,
    postgres: str | None,
) -> None:
    """Replay every scenario over every variant, and tell how far the crack went in each."""
    if context.invoked_subcommand is not None:
        return
    console = plain(stderr=False)
    where = places.of(runtime, toxiproxy, postgres)
    kept = scenario_file.kept_variants(variants)
    scenarios = [one.with_overrides(seed=seed) for one in _scenarios(names, where, console)]
    bench = Bench(where, jobs, runs, fresh, console)
    if wanted is not None:
        if against or shard or out:
            raise UsageError("--minimal goes with --scenario, --variant, --runtime, --jobs and --seed only")
        reached = interruptible(_search(bench, scenarios, kept, wanted, largest))
        _tell_reached(reached, wanted, largest, console)
        sys.exit(0 if reached else WORSE)
    baseline = table.read(against) if against else None
    planned = plan.plan(scenarios, kept, runtime, where.slower)
    if baseline is not None:
        gate.see_comparable(baseline, planned.empty())
    _see_writable(out)
    made, compared = interruptible(_make(bench, planned, plan.shard(planned.cells, shard), baseline))
    _tell(made, console)
    if out is not None:
        _write(made.model_copy(update={"made_by": shlex.join(["testbed", *sys.argv[1:]])}), out)
        console.print(f"written: {out}.json, {out}.md, {out}.svg", soft_wrap=True)
    if baseline is not None:
        whole = not (names or variants or shard)
        _tell_compared(compared, gate.gone(baseline, made, runtime) if whole else (), console)
    sys.exit(_exit_code(made, compared))


def _tell_compared(compared: Sequence[gate.Compared], gone: Sequence[str], console: Console) -> None:
    console.print(gate.table(compared))
    if gone:
        console.print(f"in the baseline, and not there any more: {', '.join(gone)}", soft_wrap=True)


def _exit_code(made: table.Matrix, compared: Sequence[gate.Compared]) -> int:
    """Give the worst: a cell that got worse, then one that cannot be told."""
    changes = {one.change for one in compared}
    if "worse" in changes:
        return WORSE
    return UNKNOWN if "unknown" in changes or any(one.outcome is None for one in made.cells) else 0


@matrix.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Write OUT.json, OUT.md and OUT.svg.")
def merge(files: tuple[Path, ...], out: Path) -> None:
    """Put the matrices of several shards or runtimes, FILES, together into one."""
    console = plain(stderr=False)
    _see_writable(out)
    made = table.merge([(str(file), table.read(file)) for file in files])
    _tell(made, console)
    _write(made, out)
    if made.missing:
        raise UsageError(
            f"{len(made.missing)} cells are in none of the files, the first: {' '.join(made.missing[0])}; is a shard missing? "
            "(what there is was written)"
        )


def _scenarios(names: Sequence[str], where: Where, console: Console) -> list[Scenario]:
    """Read the scenarios; of all of them those that the runtime can run, of named ones each, or FacilityError."""
    chosen = []
    for path in [scenario_file.find(name) for name in names] or scenario_file.known():
        scenario = scenario_file.load(path)
        lacking = where.place.lacks(scenario)
        if not lacking:
            chosen.append(scenario)
        elif names:
            raise FacilityError(lacking)
        else:
            console.print(f"left out: {lacking}", soft_wrap=True)
    return chosen


async def _make(
    bench: Bench, planned: Plan, cells: Sequence[Planned], baseline: table.Matrix | None
) -> tuple[table.Matrix, tuple[gate.Compared, ...]]:
    started, count = time.monotonic(), 0

    def tell(cell: Cell) -> None:
        nonlocal count
        count += 1
        bench.console.print(
            f"{count:3} of {len(cells)} {cell.scenario} over {cell.variant}: {told.short(cell)}, {cell.wall_s:.1f} s", soft_wrap=True
        )

    with progress.kept_in(bench.runs, anew=bench.fresh) as keeper:
        async with bench.where.shop as shop:
            replays = run.Replays(bench.where.place, shop, bench.directory("matrix"))
            done = await map_limited(cells, bench.jobs, lambda one: replays.cell(one, keeper), tell)
            by_key = {one.key: one for one in cells}
            compared = () if baseline is None else await gate.compare(baseline, done, lambda cell: replays.replay(by_key[cell.key]))
            await replays.see_steady(planned)
    took_s = time.monotonic() - started
    bench.console.print(f"{len(cells)} cells in {took_s:.0f} s, {bench.jobs} at a time; journals in {replays.directory}", soft_wrap=True)
    return table.with_cells(planned.empty(), done), compared


def _tell(made: table.Matrix, console: Console) -> None:
    console.print(told.table(made))
    console.print(told.taught(made))
    console.print(told.doubtful(made.cells))


def _see_writable(out: Path | None) -> None:
    """Raise UsageError now, and not after all the replays, when there is no directory to write to."""
    if out is not None and not (out.parent.is_dir() and os.access(out.parent, os.W_OK)):
        raise UsageError(
            f"--out: nothing can be written to {out.parent}; give a path in a directory that is there, such as scenarios/containment"
        )


def _write(made: table.Matrix, out: Path) -> None:
    """Write the three files; raises UsageError when one cannot be written."""
    try:
        table.write(made, Path(f"{out}.json"))
        Path(f"{out}.md").write_text(told.markdown(made), encoding="utf-8")
        Path(f"{out}.svg").write_text(heat_map.draw(made), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--out: {error.filename} cannot be written: {error.strerror}") from error


async def _search(bench: Bench, scenarios: Sequence[Scenario], kept: Mapping[str, KeptVariant], wanted: str, largest: int) -> list[Reached]:
    columns = {one.scenario.name: one for one in plan.plan(scenarios, kept, bench.where.place.runtime, bench.where.slower).columns}
    with progress.kept_in(bench.runs, anew=bench.fresh) as keeper:
        async with bench.where.shop as shop:
            replays = run.Replays(bench.where.place, shop, bench.directory("minimal"))

            async def replay(one: PatternSet, scenario: str, number: int) -> Cell:
                planned = columns[scenario].over(one.name, one.settings)
                return await (replays.replay_until_told(planned) if number else replays.cell(planned, keeper))

            trial = minimal.Trial(tuple(columns), wanted, replay)

            async def passing(candidates: list[PatternSet]) -> list[Reached]:
                bench.console.print(f"{len(candidates)} sets of {len(candidates[0].patterns) if candidates else 0}", soft_wrap=True)
                found = await map_limited(candidates, bench.jobs, trial.passes)
                return [one for one in found if one is not None]

            return await minimal.search(minimal.patterns_of(kept), largest, passing)


def _tell_reached(reached: Sequence[Reached], wanted: str, largest: int, console: Console) -> None:
    if not reached:
        console.print(f"no set of up to {largest} patterns is {wanted} in every scenario", soft_wrap=True)
    for number, one in enumerate(reached, start=1):
        replays = f"{wanted} in {len(one.cells)} of {len(one.cells)} replays"
        cost = f"at least {one.kept:.0%} kept, at most {one.leaked} connections leaked"
        console.print(
            f"{number}. {' + '.join(sorted(one.patterns.patterns))}: {replays}, {cost}",
            soft_wrap=True,
        )
