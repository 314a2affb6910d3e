"""The command `testbed scan`: which links, broken by which fault, stop a transaction."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed import scenario_file
from testbed.cli import options
from testbed.cli.interruption import interruptible
from testbed.cli.options import JOBS
from testbed.cli.output import BatchProgress, require_writable, write_text
from testbed.experiments import run_folders
from testbed.experiments.scan import plan
from testbed.experiments.scan.effect import Scan
from testbed.experiments.scan.replays import ScanBatch
from testbed.experiments.scan.text import certainty_lines, long, map_lines, markdown, single_point_lines, table, unknown_lines
from testbed.report.terminal import plain_console
from testbed.runtime import backends

if TYPE_CHECKING:
    from rich.console import Console

    from testbed.experiments.scan.effect import Effect, VariantScan
    from testbed.facility.address import Address
    from testbed.facility.backend import Backend


UNKNOWN = 3
MAX_REPETITIONS = 100


@click.command(
    epilog=options.examples(
        "testbed scan",
        "testbed scan --link database --link cf-1 --fault silence",
        "testbed scan --variant original --variant circuit_breaker --out scan.md",
    )
)
@click.argument("scenario", default="morning")
@click.option(
    "--variant", "variants", metavar="NAME", multiple=True, default=("original",), show_default=True, help="Scan this variant (repeatable)."
)
@click.option(
    "--fault", "faults", metavar="WORD", multiple=True, help="Inject only this fault (repeatable); by default every fault of a link."
)
@click.option(
    "--link", "links", metavar="NAME", multiple=True, help="Break only this link (repeatable); by default every link of the facility."
)
@click.option(
    "--transaction",
    default="check_in",
    metavar="NAME",
    show_default=True,
    help="The transaction that passengers ask for, and that should go on.",
)
@click.option(
    "--repeat",
    "repetitions",
    metavar="N",
    type=options.Whole(1, MAX_REPETITIONS),
    default=1,
    show_default=True,
    help="Replay each fault on each link N times: what one replay shows may be chance.",
)
@options.runtime
@click.option("--jobs", type=options.Whole(1, 64), default=JOBS, metavar="N", show_default="cores", help="Replays at a time.")
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    help="Write the result as one JSON object; - writes it to standard output, and the rest to standard error.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the result as a page of Markdown.")
@options.runs
@options.toxiproxy
@options.postgres
def scan(
    scenario: str,
    variants: tuple[str, ...],
    faults: tuple[str, ...],
    links: tuple[str, ...],
    transaction: str,
    repetitions: int,
    runtime: str,
    jobs: int,
    json_file: str | None,
    out: Path | None,
    runs: str | None,
    toxiproxy: Address | None,
    postgres: str | None,
) -> None:
    """Break each link with each fault in turn, and list what stops.

    SCENARIO (by default `morning`) gives the facility and the night. Instead of its timeline, one fault is injected at the time of its
    first step. The exit code is 3 if the effect of any fault is unknown.
    """
    backend = backends.of(runtime, toxiproxy, postgres, jobs=jobs)
    base = scenario_file.load(scenario_file.find(scenario))
    planned = plan.plan(base, plan.Wanted(variants, faults, links, transaction), backend)
    json_path = None if json_file in (None, "-") else Path(str(json_file))
    require_writable("--json", json_path)
    require_writable("--out", out)
    console = plain_console(stderr=json_file == "-")
    for line in planned.left_out:
        console.print(f"left out: {line}", soft_wrap=True)
    made = Scan(
        made_by=shlex.join(["testbed", *sys.argv[1:]]),
        scenario=planned.scenario,
        runtime=runtime,
        transaction=transaction,
        left_out=planned.left_out,
        variants=interruptible(_scan(planned, backend, repetitions, jobs, runs, console)),
    )
    for over in made.variants:
        _print(over, transaction, console)
    if json_file == "-":
        click.echo(made.model_dump_json(indent=2))
    write_text("--json", json_path, made.model_dump_json(indent=2) + "\n")
    write_text("--out", out, markdown(made))
    sys.exit(0 if all(over.is_conclusive for over in made.variants) else UNKNOWN)


async def _scan(
    planned: plan.ScanPlan, backend: Backend, repetitions: int, jobs: int, runs: str | None, console: Console
) -> tuple[VariantScan, ...]:
    """Replay every planned injection, and print each effect when it is there."""
    progress = BatchProgress(console, repetitions * len(planned.breaks), "replays", jobs)
    directory = run_folders.runs_directory(runs, "scan")

    def what(variant: str, effect: Effect) -> str:
        return f"{effect.link} {effect.fault}, over {variant}" if effect.link else f"nothing broken, over {variant}"

    def print_effect(variant: str, effect: Effect) -> None:
        progress.print_done(f"{what(variant, effect)}: {long(effect)}", effect.wall_s)

    def print_again(variant: str, effect: Effect) -> None:
        console.print(f"to be replayed again, alone: {what(variant, effect)} is unknown: {effect.unknown}", soft_wrap=True)

    try:
        async with backend:
            done = await ScanBatch(planned, backend, directory, repetitions).scan(jobs, print_effect, print_again)
    finally:
        run_folders.drop_if_empty(directory)
    progress.print_all_done(directory)
    return done


def _print(over: VariantScan, transaction: str, console: Console) -> None:
    console.print(f"\nIntegration points of {over.variant} (a link is named after what it leads to):")
    for line in map_lines(over):
        console.print(f"  {line}", soft_wrap=True)
    console.print(f"\nWhat happens to {transaction}, over {over.variant}:\n")
    console.print(table(over))
    console.print()
    for line in (*certainty_lines(over), ""):
        console.print(line, soft_wrap=True)
    for line in (*single_point_lines(over, transaction), *unknown_lines(over)):
        console.print(line, soft_wrap=True)
