"""`python -m testbed.pools`: measures cells, prints them, and keeps them where it is told to."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from testbed.concurrency import run_interruptible
from testbed.errors import INTERRUPTED, InterruptionError, TestbedError
from testbed.pools import comparison, families, table
from testbed.pools.cell import Measurement

KNOWN = families.names()
UNKNOWN = 3


@click.command()
@click.option("--pool", "pools", multiple=True, type=click.Choice(KNOWN), help="Only this pool; may be given more than once.")
@click.option("--situation", "situations", multiple=True, type=click.Choice(families.SITUATIONS), help="Only this situation.")
@click.option("--mistake", "mistakes", multiple=True, type=click.Choice(families.MISTAKES), help="Only this way to clean up.")
@click.option("--check", type=click.Choice(["on", "off"]), help="Only with, or only without, the pool's own check.")
@click.option("--repeat", type=click.IntRange(1, 100), default=3, show_default=True, help="How often each cell is measured.")
@click.option("--at-once", type=click.IntRange(1, 40), default=8, show_default=True, help="How many cells share a database at a time.")
@click.option("--watch-s", type=click.IntRange(3, 600), default=10, show_default=True, help="Seconds in which a service may come back.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), help="A folder: write measured.jsonl there, and the table of its README.md."
)
@click.option("--missing", is_flag=True, help="With --keep: measure only what is not kept yet.")
@click.option("--evidence", type=click.Path(dir_okay=False, path_type=Path), help="A file: add every answer to it, a line a cell.")
def main(
    *,
    pools: tuple[str, ...],
    situations: tuple[str, ...],
    mistakes: tuple[str, ...],
    check: str | None,
    repeat: int,
    at_once: int,
    watch_s: int,
    keep: Path | None,
    missing: bool,
    evidence: Path | None,
) -> None:
    """Compare connection pools: what each does in each situation, over code with the case's mistake and over careful code.

    Exit codes: 0 every cell was measured, 2 wrong usage or a wrong file, 3 a cell is unknown, 128 plus the signal's number if interrupted.
    """
    unknown = False
    wanted = list(families.cells(pools or KNOWN, situations or families.SITUATIONS, mistakes or families.MISTAKES))
    wanted = [cell for cell in wanted if check is None or cell.check == (check == "on")]
    try:
        if keep is not None and missing:
            kept = {each.cell for each in table.read(keep / table.FILE)}
            wanted = [cell for cell in wanted if cell not in kept]

        def report(measurement: Measurement) -> None:
            nonlocal unknown
            unknown = unknown or any(result.way == "unknown" for result in measurement.results)
            click.echo(f"{measurement.cell}: {table.summary(measurement.results)}  {measurement.results[-1].why[:100]}")
            if keep is not None:
                table.keep(keep, [measurement])

        run_interruptible(comparison.compare(wanted, repeat, at_once, watch_s, report, evidence))
    except InterruptionError as error:
        click.echo("interrupted; everything was taken down", err=True)
        sys.exit(INTERRUPTED + (error.signal_number or signal.SIGINT))
    except TestbedError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    sys.exit(UNKNOWN if unknown else 0)


if __name__ == "__main__":
    main()
