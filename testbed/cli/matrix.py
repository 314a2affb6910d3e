"""The commands of the containment matrix: `testbed matrix`, `testbed matrix show` and `testbed matrix merge`."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from testbed import scenario_file
from testbed.cli import options as options_module
from testbed.cli.interruption import interruptible
from testbed.cli.minimal import Search
from testbed.cli.options import JOBS
from testbed.cli.output import BatchProgress, reading, require_writable_folder, warn_passed_over, writing
from testbed.errors import FacilityError, UsageError
from testbed.experiments import run_folders
from testbed.experiments.matrix import commit, folder, gate, minimal, plan, table, text
from testbed.experiments.matrix.checkpoint import checkpoint_in
from testbed.experiments.matrix.replays import MatrixBatch
from testbed.plan import given_file, package_data
from testbed.report.terminal import plain_console, whole_line_console
from testbed.runtime import backends

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from rich.console import Console

    from testbed.experiments.matrix.cell import Cell
    from testbed.experiments.matrix.checkpoint import CheckpointFile
    from testbed.experiments.matrix.plan import MatrixPlan, PlannedCell
    from testbed.experiments.matrix.replays import Checkpoint
    from testbed.experiments.matrix.table import Column
    from testbed.facility.address import Address
    from testbed.facility.backend import Backend
    from testbed.plan.scenario import Scenario


WORSE, UNKNOWN = 1, 3


HOME = ".testbed/matrix"
CHECKPOINT = "cells.jsonl"


KEPT = "(kept)"  # what `--against` without a value stands for


class Folder(click.Path):
    """A folder on the command line; an empty text, which would be the current folder, is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return its path."""
        if value == "":
            self.fail("found ''; allowed: a folder, such as scenarios/containment, or . for the current one", param, ctx)
        return super().convert(value, param, ctx)


FOLDER = Folder(path_type=Path)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `testbed matrix`, by the names of their parameters; the help of each explains it."""

    names: tuple[str, ...]
    variants: tuple[str, ...]
    runtime: str
    jobs: int
    replays: int
    seed: int | None
    shard: str | None
    out: Path | None
    against: Path | None
    wanted: str | None
    largest: int
    confirmations: int
    fresh: bool
    runs: Path
    toxiproxy: Address | None
    postgres: str | None

    @property
    def is_whole(self) -> bool:
        """Whether every scenario is replayed over every variant."""
        return not (self.names or self.variants or self.shard)


@dataclass(frozen=True, slots=True)
class MatrixRun:
    """The backend of the replays and how many run at a time, the directory of journals and checkpoint, and the console.

    `times`: how often each cell is replayed. `fresh`: start without the checkpoint of an interrupted matrix. `given`: the options that
    decide every cell.
    """

    backend: Backend
    jobs: int
    times: int
    runs: Path
    fresh: bool
    given: tuple[str, ...]
    console: Console

    def directory(self, what: str) -> Path:
        """Create a directory for the journals of this command."""
        return run_folders.runs_directory(str(self.runs), what)

    def checkpoint(self) -> AbstractContextManager[CheckpointFile]:
        """Open the checkpoint and lock it; raises UsageError for one that is no regular file."""
        checkpoint = self.runs / CHECKPOINT
        with reading("--runs", checkpoint), suppress(FileNotFoundError):
            given_file.opened(checkpoint, given_file.MOST_LINES_BYTES).close()
        return checkpoint_in(self.runs, anew=self.fresh, given=self._given)

    def _given(self) -> tuple[str, ...]:
        """Return the options, and the versions of what the backend replays on; in containers, those in the image."""
        return (*self.given, json.dumps(dict(self.backend.versions), sort_keys=True))


def kept_matrix() -> Path:
    """Return the folder of the matrix that the project keeps."""
    return package_data.directory("scenarios") / "containment"


@click.group(
    invoke_without_command=True,
    epilog=options_module.examples(
        "testbed matrix --scenario the_night",
        "testbed matrix --against",
        "testbed matrix --shard 1/2 --out part-1",
        "testbed matrix merge part-1 part-2 --out whole",
        "testbed matrix show the_night",
        "testbed matrix --minimal unharmed --scenario the_night",
    ),
)
@click.option(
    "--scenario", "names", multiple=True, metavar="NAME", help="Only this scenario (repeatable); by default all that the runtime can run."
)
@click.option(
    "--variant", "variants", multiple=True, metavar="NAME", help="Only this variant of variants.toml (repeatable); by default all."
)
@options_module.runtime
@click.option("--jobs", type=options_module.Whole(1, 64), default=JOBS, metavar="N", show_default="cores", help="Replays at a time.")
@click.option(
    "--replays",
    type=options_module.Whole(1, 100),
    default=1,
    metavar="N",
    show_default=True,
    help="Replay each cell N times, as for a baseline.",
)
@click.option("--seed", type=options_module.Whole(0, 2**63 - 1), metavar="N", help="Draw other passengers, by this seed.")
@click.option(
    "--shard", metavar="I/N", help="Replay part I of N of the cells, as one of N runners; `testbed matrix merge` joins the parts."
)
@click.option(
    "--out",
    type=FOLDER,
    metavar="FOLDER",
    help="Write the matrix into this folder: a file per scenario, a page and a picture.",
)
@click.option(
    "--against",
    type=FOLDER,
    is_flag=False,
    flag_value=KEPT,
    metavar="[FOLDER]",
    help="Compare with a kept matrix (without FOLDER: scenarios/containment); the exit code is 1 if a cell surely got worse.",
)
@click.option(
    "--minimal",
    "wanted",
    type=click.Choice(["unharmed", "contained"]),
    help="Instead, search for the smallest sets of patterns with this outcome in every scenario.",
)
@click.option(
    "--largest",
    type=options_module.Whole(1, 6),
    default=3,
    metavar="N",
    show_default=True,
    help="With --minimal: the most patterns in a set.",
)
@click.option(
    "--confirm",
    "confirmations",
    type=options_module.Whole(1, 100),
    default=minimal.CONFIRMATIONS,
    metavar="N",
    show_default=True,
    help="With --minimal: more replays, in each scenario, of each set that is found; only these count.",
)
@click.option("--fresh", is_flag=True, help="Start anew; by default an interrupted matrix continues from its checkpoint.")
@click.option(
    "--runs",
    type=FOLDER,
    default=HOME,
    metavar="DIRECTORY",
    show_default=True,
    help="Directory for journals and the checkpoint.",
)
@options_module.toxiproxy
@options_module.postgres
@click.pass_context
def matrix(context: click.Context, /, **options: Any) -> None:
    """Replay every scenario over every variant.

    The table has the outcome, the crack and the percentage answered after the fault for each scenario and variant (a cell).
    """
    if context.invoked_subcommand is None:
        _replay(Options(**options))
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
            raise UsageError(f"{parameter.opts[0]} stands before {context.invoked_subcommand}; give it after that word")


def _replay(options: Options) -> NoReturn:
    """Replay the chosen cells; exit with the code of the result."""
    console = plain_console(stderr=False)
    backend = backends.of(options.runtime, options.toxiproxy, options.postgres, jobs=options.jobs)
    variants = scenario_file.kept_variants(options.variants)
    if options.names:
        warn_passed_over(scenario_file.passed_over())
    scenarios = [scenario.with_overrides(seed=options.seed) for scenario in _scenarios(options.names, backend, console)]
    given = (f"--toxiproxy={options.toxiproxy}", f"--postgres={options.postgres}")
    bench = MatrixRun(backend, options.jobs, options.replays, options.runs, options.fresh, given, console)
    if options.wanted is not None:
        if options.against or options.shard or options.out or options.replays > 1:
            raise UsageError("--minimal goes with --scenario, --variant, --runtime, --jobs and --seed only")
        searching = Search(backend, bench.jobs, bench.runs, options.wanted, options.largest, options.confirmations, console)
        with bench.checkpoint() as checkpoint:
            reached, unknown = interruptible(searching.search(scenarios, variants, checkpoint))
            searching.print_reached(reached)
            checkpoint.remove_own()
        sys.exit(0 if reached else UNKNOWN if unknown else WORSE)
    baseline = None if options.against is None else _read(kept_matrix() if options.against == Path(KEPT) else options.against)
    planned = plan.plan(scenarios, variants, options.runtime, backend.slowdown)
    cells = plan.shard(planned.cells, options.shard)
    if baseline is not None:
        gate.require_comparable(baseline, planned.empty())
    with _reserved(options.out, planned.empty().columns, [cell.key for cell in cells]), bench.checkpoint() as checkpoint:
        made, compared = interruptible(_make(bench, planned, cells, baseline, checkpoint))
        _print(made, console)
        if options.out is not None:
            _write(made, options.out)
            console.print(f"written: {options.out}", soft_wrap=True)
        if baseline is not None and compared is not None:
            _print_compared(compared, gate.gone(baseline, made, options.runtime) if options.is_whole else (), console)
        checkpoint.remove_own()
    sys.exit(_exit_code(made, compared))


def _print_compared(compared: gate.Result, gone: Sequence[str], console: Console) -> None:
    console.print(gate.table(compared))
    console.print(gate.lines(compared), soft_wrap=True)
    if gone:
        console.print(f"in the baseline, but not in this matrix: {', '.join(gone)}", soft_wrap=True)


def _exit_code(made: table.Matrix, compared: gate.Result | None) -> int:
    """Return the worst exit code: of what got worse, then of a cell that is unknown, also after the replays of the gate."""
    if compared is None:
        return UNKNOWN if any(cell.outcome is None for cell in made.cells) else 0
    if "worse" in compared.changes:
        return WORSE
    return UNKNOWN if "unknown" in compared.changes else 0


@matrix.command()
@click.argument("folders", nargs=-1, required=True, type=FOLDER)
@click.option(
    "--out",
    type=FOLDER,
    required=True,
    metavar="FOLDER",
    help="Write the matrix into this folder: a file per scenario, a page and a picture.",
)
def merge(folders: tuple[Path, ...], out: Path) -> None:
    """Merge the matrices of several folders into one.

    FOLDERS hold the shards of a matrix, or its runtimes. The exit code is 2 if a cell is in none of them.
    """
    console = plain_console(stderr=False)
    made = table.merge([(str(path), _read(path)) for path in folders])
    with _reserved(out, made.columns, [cell.key for cell in made.cells]):
        _print(made, console)
        _write(made, out)
    if made.missing:
        raise UsageError(
            f"{len(made.missing)} cells are in none of the folders, the first: {' '.join(made.missing[0])}; is a shard missing? "
            "(the other cells were written)"
        )


@matrix.command()
@click.argument("scenario")
@options_module.runtime
@click.option("--kept", type=FOLDER, metavar="FOLDER", show_default="scenarios/containment", help="The folder of the matrix.")
def show(scenario: str, runtime: str, kept: Path | None) -> None:
    """Print all figures of a scenario from a kept matrix.

    Nothing is replayed. SCENARIO is a name from `testbed list`.
    """
    directory = kept or kept_matrix()
    warn_passed_over(scenario_file.passed_over())
    whole = _read(directory)
    column = next((column for column in whole.columns if column.key == (scenario, runtime)), None)
    if column is None:
        names = ", ".join(column.scenario for column in whole.columns if column.runtime == runtime)
        raise UsageError(f"{directory} has no scenario {scenario!r} on {runtime}; there are {names or 'none'}")
    console = whole_line_console()
    for drawn in text.figures(whole.only(column.key), column):
        console.print(drawn)
    changed = plan.changed(whole.made[column.key], scenario_file.kept_variants(used=()))
    if changed:
        settings = "the packaged settings" if kept is None else "the settings that it was made with"
        again = ["testbed", "matrix", "--scenario", scenario, "--runtime", runtime, *(f"--variant={name}" for name in changed)]
        console.print(
            f"the figures of {', '.join(changed)} are of {settings}; variants.toml has others now, which `{shlex.join(again)}` replays",
            soft_wrap=True,
        )


def _read(path: Path) -> table.Matrix:
    _require_readable(path)
    return folder.read(path, scenario_file.kept_variants(used=()))


def _require_readable(directory: Path) -> None:
    """Raise UsageError if the folder of a matrix cannot be looked at."""
    with reading("the matrix", directory), suppress(FileNotFoundError, NotADirectoryError):
        directory.stat()


def _scenarios(names: Sequence[str], backend: Backend, console: Console) -> list[Scenario]:
    """Read the scenarios: those named, or all that are for the matrix and that the runtime can run.

    Raises FacilityError if it cannot run one that is named.
    """
    chosen = []
    if names:
        scenarios: Sequence[Scenario] = [scenario_file.load(scenario_file.find(name)) for name in names]
    else:
        known, wrong = scenario_file.load_known()
        warn_passed_over(wrong)
        scenarios = [scenario for scenario in known if scenario.matrix]
    for scenario in scenarios:
        lacking = backend.lacks(scenario)
        if not lacking:
            chosen.append(scenario)
        elif names:
            raise FacilityError(lacking)
        else:
            console.print(f"left out: {lacking}", soft_wrap=True)
    return chosen


async def _make(
    bench: MatrixRun, planned: MatrixPlan, cells: Sequence[PlannedCell], baseline: table.Matrix | None, checkpoint: Checkpoint
) -> tuple[table.Matrix, gate.Result | None]:
    progress = BatchProgress(bench.console, len(cells) * bench.times, "cells" if bench.times == 1 else "replays", bench.jobs)
    planned_by_key = {cell.key: cell for cell in cells}
    # Before the replays: what is committed or changed meanwhile did not replay them.
    empty = planned.empty(shlex.join(["testbed", *sys.argv[1:]]), commit.current())

    async with bench.backend:
        replays = MatrixBatch(bench.backend, bench.directory("matrix"))

        def report(replayed: Cell, took_s: float) -> None:
            progress.print_done(f"{replayed.scenario} over {replayed.variant}: {text.short(replayed)}", took_s)

        def report_again(replayed: Cell) -> None:
            why = f"{replayed.scenario} over {replayed.variant} is unknown: {replayed.unknown}"
            bench.console.print(f"to be replayed again, alone: {why}", soft_wrap=True)

        done = await replays.cells(cells, bench.jobs, checkpoint, report, report_again, times=bench.times)
        compared = None if baseline is None else await gate.compare(baseline, done, lambda cell: replays.replay(planned_by_key[cell.key]))
        await replays.require_steady(planned)
    progress.print_all_done(replays.directory)
    return table.with_cells(empty, done), compared


def _print(made: table.Matrix, console: Console) -> None:
    console.print(text.table(made))
    console.print(text.lesson_lines(made))
    console.print(text.unknown_lines(made.cells))


@contextmanager
def _reserved(out: Path | None, columns: Sequence[Column], keys: Sequence[tuple[str, str, str]]) -> Iterator[None]:
    """Keep other matrices out of a folder until it is written, so that what is checked now still holds then.

    Raises UsageError now, and not after all the replays, if the folder is taken, cannot be written, or would lose a cell.
    """
    if out is None:
        yield
        return
    require_writable_folder("--out", out)
    folder.require_writable(out, columns)
    _require_readable(out)
    with folder.locked(out):
        folder.require_nothing_lost(out, columns, keys, scenario_file.kept_variants())
        yield


def _write(made: table.Matrix, out: Path) -> None:
    """Write the folder; raises UsageError if a file cannot be written."""
    with writing("--out", out):
        folder.write(made, out, scenario_file.kept_variants())
