"""The commands of the containment matrix: `testbed matrix`, `testbed matrix show` and `testbed matrix merge`."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from testbed import scenario_file
from testbed.cli import options as options_module
from testbed.cli.interruption import interruptible
from testbed.cli.options import JOBS
from testbed.concurrency import map_limited
from testbed.errors import FacilityError, UsageError
from testbed.experiments import batch
from testbed.experiments.matrix import folder, gate, minimal, plan, table, text
from testbed.experiments.matrix.checkpoint import checkpoint_in
from testbed.experiments.matrix.replays import Replays
from testbed.plan import package_data
from testbed.report.terminal import plain_console
from testbed.runtime import backends

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from testbed.experiments.matrix.cell import Cell
    from testbed.experiments.matrix.minimal import PatternSet, Reached
    from testbed.experiments.matrix.plan import MatrixPlan, PlannedCell
    from testbed.experiments.matrix.table import Column
    from testbed.facility.address import Address
    from testbed.plan.scenario import Scenario
    from testbed.plan.settings import KeptVariant
    from testbed.runtime.backends import Where


WORSE, UNKNOWN = 1, 3


WIDEST = 400  # characters: no table of figures is wider


HOME = ".testbed/matrix"


KEPT = "(kept)"  # what `--against` without a value stands for


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `testbed matrix`, each under the name of its parameter; their help says what they are."""

    names: tuple[str, ...]
    variants: tuple[str, ...]
    runtime: str
    jobs: int
    seed: int | None
    shard: str | None
    out: Path | None
    against: Path | None
    wanted: str | None
    largest: int
    fresh: bool
    runs: Path
    toxiproxy: Address | None
    postgres: str | None

    @property
    def is_whole(self) -> bool:
        """Whether every scenario is replayed over every variant."""
        return not (self.names or self.variants or self.shard)


@dataclass(frozen=True, slots=True)
class Bench:
    """The backend of the replays and how many run at a time, the directory of journals and checkpoint, and the console.

    `fresh`: start without the checkpoint of an interrupted matrix.
    """

    where: Where
    jobs: int
    runs: Path
    fresh: bool
    console: Console

    def directory(self, what: str) -> Path:
        """Create a directory for the journals of this command."""
        return batch.runs_directory(str(self.runs), what)


def kept_matrix() -> Path:
    """Return the folder of the matrix that the project keeps."""
    return package_data.directory("scenarios") / "containment"


@click.group(invoke_without_command=True)
@click.option("--scenario", "names", multiple=True, help="Only this scenario; may be given more than once. All that the runtime can run.")
@click.option("--variant", "variants", multiple=True, help="Only this variant of variants.toml; may be given more than once.")
@options_module.runtime
@click.option("--jobs", type=click.IntRange(1, 64), default=JOBS, show_default="one for each core, and one more", help="Replays at a time.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Another seed for the passengers.")
@click.option("--shard", help="I/N: only every Nth cell from the Ith, for one of N runners; `merge` puts them together.")
@click.option("--out", type=click.Path(path_type=Path), help="Write a file for each scenario into this folder, with page and picture.")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    is_flag=False,
    flag_value=KEPT,
    help="Compare with the matrix of a folder (with no value: scenarios/containment); exit code 1 if a cell got worse.",
)
@click.option(
    "--minimal", "wanted", type=click.Choice(["unharmed", "contained"]), help="Search the smallest sets of patterns that reach this."
)
@click.option("--largest", type=click.IntRange(1, 6), default=3, show_default=True, help="With --minimal: patterns in a set at most.")
@click.option("--fresh", is_flag=True, help="Forget what an interrupted matrix had got to.")
@click.option("--runs", type=click.Path(path_type=Path), default=HOME, show_default=True, help="Directory for journals and progress.")
@options_module.toxiproxy
@options_module.postgres
@click.pass_context
def matrix(context: click.Context, /, **options: Any) -> None:
    """Replay every scenario over every variant, and show how far the crack went in each."""
    if context.invoked_subcommand is None:
        _replay(Options(**options))
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
            raise UsageError(f"{parameter.opts[0]} stands before {context.invoked_subcommand}; give it after that word")


def _replay(options: Options) -> NoReturn:
    """Replay what the options ask for; exit with the code of the result."""
    console = plain_console(stderr=False)
    where = backends.of(options.runtime, options.toxiproxy, options.postgres)
    kept = scenario_file.kept_variants(options.variants)
    scenarios = [scenario.with_overrides(seed=options.seed) for scenario in _scenarios(options.names, where, console)]
    bench = Bench(where, options.jobs, options.runs, options.fresh, console)
    if options.wanted is not None:
        if options.against or options.shard or options.out:
            raise UsageError("--minimal goes with --scenario, --variant, --runtime, --jobs and --seed only")
        reached = interruptible(_search(bench, scenarios, kept, options.wanted, options.largest))
        _print_reached(reached, options.wanted, options.largest, console)
        sys.exit(0 if reached else WORSE)
    baseline = None if options.against is None else _read(kept_matrix() if options.against == Path(KEPT) else options.against)
    planned = plan.plan(scenarios, kept, options.runtime, where.slower)
    cells = plan.shard(planned.cells, options.shard)
    if baseline is not None:
        gate.require_comparable(baseline, planned.empty())
    _require_writable(options.out, planned.empty().columns, [cell.key for cell in cells])
    made, compared = interruptible(_make(bench, planned, cells, baseline))
    _print(made, console)
    if options.out is not None:
        _write(made, options.out)
        console.print(f"written: {options.out}", soft_wrap=True)
    if baseline is not None:
        _print_compared(compared, gate.gone(baseline, made, options.runtime) if options.is_whole else (), console)
    sys.exit(_exit_code(made, compared))


def _print_compared(compared: Sequence[gate.Compared], gone: Sequence[str], console: Console) -> None:
    console.print(gate.table(compared))
    if gone:
        console.print(f"in the baseline, and not there any more: {', '.join(gone)}", soft_wrap=True)


def _exit_code(made: table.Matrix, compared: Sequence[gate.Compared]) -> int:
    """Return the worst exit code: of a cell that got worse, then of one that is unknown."""
    changes = {cell.change for cell in compared}
    if "worse" in changes:
        return WORSE
    return UNKNOWN if "unknown" in changes or any(cell.outcome is None for cell in made.cells) else 0


@matrix.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Write the files, page and picture into this folder.")
def merge(folders: tuple[Path, ...], out: Path) -> None:
    """Merge the matrices of several shards or runtimes, FOLDERS, into one."""
    console = plain_console(stderr=False)
    made = table.merge([(str(path), _read(path)) for path in folders])
    _require_writable(out, made.columns, [cell.key for cell in made.cells])
    _print(made, console)
    _write(made, out)
    if made.missing:
        raise UsageError(
            f"{len(made.missing)} cells are in none of the folders, the first: {' '.join(made.missing[0])}; is a shard missing? "
            "(what there is was written)"
        )


@matrix.command()
@click.argument("scenario")
@options_module.runtime
@click.option("--kept", type=click.Path(path_type=Path), show_default="scenarios/containment", help="The folder of the matrix.")
def show(scenario: str, runtime: str, kept: Path | None) -> None:
    """Print all figures of SCENARIO from the kept matrix; nothing is replayed."""
    directory = kept or kept_matrix()
    whole = _read(directory)
    column = next((column for column in whole.columns if column.key == (scenario, runtime)), None)
    if column is None:
        names = ", ".join(column.scenario for column in whole.columns if column.runtime == runtime)
        raise UsageError(f"{directory} has no scenario {scenario!r} on {runtime}; there are {names or 'none'}")
    console = plain_console(stderr=False)
    if not console.is_terminal:  # a pipe is as wide as the table: whoever searches it finds whole lines
        console.width = WIDEST
    for drawn in text.figures(whole.only(column.key), column):
        console.print(drawn)


def _read(path: Path) -> table.Matrix:
    return folder.read(path, scenario_file.kept_variants())


def _scenarios(names: Sequence[str], where: Where, console: Console) -> list[Scenario]:
    """Read the scenarios: those named, or all that the runtime can run; raises FacilityError if it cannot run one that is named."""
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
    bench: Bench, planned: MatrixPlan, cells: Sequence[PlannedCell], baseline: table.Matrix | None
) -> tuple[table.Matrix, tuple[gate.Compared, ...]]:
    started, count = time.monotonic(), 0
    planned_by_key = {cell.key: cell for cell in cells}

    with checkpoint_in(bench.runs, anew=bench.fresh) as checkpoint:
        async with bench.where.shop as shop:
            replays = Replays(bench.where.place, shop, bench.directory("matrix"))

            async def replay(cell: PlannedCell) -> Cell:
                nonlocal count
                began = time.monotonic()
                replayed = await replays.cell(cell, checkpoint)
                count += 1
                bench.console.print(
                    f"{count:3} of {len(cells)} {replayed.scenario} over {replayed.variant}: {text.short(replayed)}, "
                    f"{time.monotonic() - began:.1f} s",
                    soft_wrap=True,
                )
                return replayed

            done = await map_limited(cells, bench.jobs, replay)
            compared = () if baseline is None else await gate.compare(baseline, done, lambda cell: replays.replay(planned_by_key[cell.key]))
            await replays.require_steady(planned)
    took_s = time.monotonic() - started
    bench.console.print(f"{len(cells)} cells in {took_s:.0f} s, {bench.jobs} at a time; journals in {replays.directory}", soft_wrap=True)
    return table.with_cells(planned.empty(shlex.join(["testbed", *sys.argv[1:]]), _commit()), done), compared


def _commit() -> str:
    """Return the commit of the code, with `-dirty` if it was changed since; an empty text outside the project's repository."""
    checkout = package_data.checkout()
    if checkout is None or not (checkout / ".git").exists() or shutil.which("git") is None:
        return ""
    git = ["git", "-C", str(checkout)]
    head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    # The kept matrix is what is being made: that it changed says nothing about the code.
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", ".", ":(exclude)scenarios/containment"], check=False).returncode != 0
    return f"{head}-dirty" if head and changed else head


def _print(made: table.Matrix, console: Console) -> None:
    console.print(text.table(made))
    console.print(text.lesson_lines(made))
    console.print(text.unknown_lines(made.cells))


def _require_writable(out: Path | None, columns: Sequence[Column], keys: Sequence[tuple[str, str, str]]) -> None:
    """Raise UsageError now, and not after all the replays, if the folder cannot be written or would lose a cell."""
    if out is not None:
        folder.require_writable(out)
        folder.require_nothing_lost(out, columns, keys, scenario_file.kept_variants())


def _write(made: table.Matrix, out: Path) -> None:
    """Write the folder; raises UsageError if a file cannot be written."""
    try:
        folder.write(made, out, scenario_file.kept_variants())
    except OSError as error:
        raise UsageError(f"--out: {error.filename} cannot be written: {error.strerror}") from error


async def _search(bench: Bench, scenarios: Sequence[Scenario], kept: Mapping[str, KeptVariant], wanted: str, largest: int) -> list[Reached]:
    planned = plan.plan(scenarios, kept, bench.where.place.runtime, bench.where.slower)
    columns = {column.scenario.name: column for column in planned.columns}
    with checkpoint_in(bench.runs, anew=bench.fresh) as checkpoint:
        async with bench.where.shop as shop:
            replays = Replays(bench.where.place, shop, bench.directory("minimal"))

            async def replay(candidate: PatternSet, scenario: str, number: int) -> Cell:
                cell = columns[scenario].over(candidate.name, candidate.settings)
                return await (replays.replay_until_known(cell) if number else replays.cell(cell, checkpoint))

            trial = minimal.Trial(tuple(columns), wanted, replay)

            async def passing(candidates: list[PatternSet]) -> list[Reached]:
                bench.console.print(f"{len(candidates)} sets of {len(candidates[0].patterns) if candidates else 0}", soft_wrap=True)
                found = await map_limited(candidates, bench.jobs, trial.passes)
                return [reached for reached in found if reached is not None]

            return await minimal.search(minimal.patterns_of(kept), largest, passing)


def _print_reached(reached: Sequence[Reached], wanted: str, largest: int, console: Console) -> None:
    if not reached:
        console.print(f"no set of up to {largest} patterns is {wanted} in every scenario", soft_wrap=True)
    for number, result in enumerate(reached, start=1):
        replays = f"{wanted} in {len(result.cells)} of {len(result.cells)} replays"
        cost = f"at least {result.answered:.0%} answered, at most {result.leaked} connections leaked"
        console.print(
            f"{number}. {' + '.join(sorted(result.patterns.patterns))}: {replays}, {cost}",
            soft_wrap=True,
        )
