"""The command `testbed scan`: which links, broken by which fault, stop a transaction."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed import scenario_file
from testbed.cli import options
from testbed.cli.interruption import interruptible
from testbed.cli.options import JOBS
from testbed.cli.output import require_writable, write_text
from testbed.experiments import batch
from testbed.experiments.scan import plan
from testbed.experiments.scan.effect import Scan
from testbed.experiments.scan.replays import Scanner
from testbed.experiments.scan.text import long, map_lines, markdown, single_point_lines, table, unknown_lines
from testbed.report.terminal import plain_console
from testbed.runtime import backends

if TYPE_CHECKING:
    from rich.console import Console

    from testbed.experiments.scan.effect import Effect, VariantScan
    from testbed.facility.address import Address
    from testbed.runtime.backends import Where


UNKNOWN = 3


@click.command()
@click.argument("scenario", default="morning")
@click.option(
    "--variant", "variants", multiple=True, default=("original",), show_default=True, help="Over this; may be given more than once."
)
@click.option("--fault", "faults", multiple=True, help="Only this fault; may be given more than once. All that links can have.")
@click.option("--link", "links", multiple=True, help="Only this link; may be given more than once. All that the facility has.")
@click.option("--transaction", default="check_in", show_default=True, help="What passengers ask for, and is to go on.")
@options.runtime
@click.option("--jobs", type=click.IntRange(1, 64), default=JOBS, show_default="one for each core, and one more", help="Replays at a time.")
@click.option("--json", "json_file", help="Write all of it as one JSON object to this file; - for standard output, and nothing else there.")
@click.option("--out", type=click.Path(path_type=Path), help="Write a page of Markdown to this file.")
@options.runs
@options.toxiproxy
@options.postgres
def scan(
    scenario: str,
    variants: tuple[str, ...],
    faults: tuple[str, ...],
    links: tuple[str, ...],
    transaction: str,
    runtime: str,
    jobs: int,
    json_file: str | None,
    out: Path | None,
    runs: str | None,
    toxiproxy: Address | None,
    postgres: str | None,
) -> None:
    """Break each link of SCENARIO (morning) with each fault in turn, and list where that stops a transaction."""
    where = backends.of(runtime, toxiproxy, postgres)
    base = scenario_file.load(scenario_file.find(scenario))
    planned = plan.plan(base, plan.Wanted(variants, faults, links, transaction), where.place, where.slower)
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
        variants=interruptible(_scan(planned, where, jobs, runs, console)),
    )
    for over in made.variants:
        _tell(over, transaction, console)
    if json_file == "-":
        click.echo(made.model_dump_json(indent=2))
    write_text("--json", json_path, made.model_dump_json(indent=2) + "\n")
    write_text("--out", out, markdown(made))
    sys.exit(0 if all(over.is_conclusive for over in made.variants) else UNKNOWN)


async def _scan(planned: plan.ScanPlan, where: Where, jobs: int, runs: str | None, console: Console) -> tuple[VariantScan, ...]:
    """Replay everything, and tell of each as it is done."""
    started, count, of = time.monotonic(), 0, len(planned.breaks)
    directory = batch.runs_directory(runs, "scan")

    def tell(variant: str, one: Effect) -> None:
        nonlocal count
        count += 1
        what = f"{one.link} {one.fault}" if one.link else "nothing broken"
        console.print(f"{count:3} of {of} {what}, over {variant}: {long(one)}, {one.wall_s:.1f} s", soft_wrap=True)

    try:
        async with where.shop as shop:
            done = await Scanner(planned, where.place, shop, directory).scan(jobs, tell)
    finally:
        batch.drop_if_empty(directory)
    took_s = time.monotonic() - started
    console.print(f"{of} replays in {took_s:.0f} s, {jobs} at a time; journals in {directory}", soft_wrap=True)
    return done


def _tell(over: VariantScan, transaction: str, console: Console) -> None:
    console.print(f"\nIntegration points of {over.variant} (a link is named by what stands behind it):")
    for line in map_lines(over):
        console.print(f"  {line}", soft_wrap=True)
    console.print(f"\nWhat becomes of {transaction}, over {over.variant}:\n")
    console.print(table(over))
    console.print()
    for line in (*single_point_lines(over, transaction), *unknown_lines(over)):
        console.print(line, soft_wrap=True)
