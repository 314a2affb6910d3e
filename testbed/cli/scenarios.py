"""The commands that start nothing: they list, check and write what a scenario says."""

from __future__ import annotations

from pathlib import Path

import click

from testbed import scenario_file
from testbed.cli import options
from testbed.cli.output import require_writable, warn_passed_over
from testbed.errors import visible
from testbed.experiments.planned import planned
from testbed.plan import passengers, trace
from testbed.report import plan as plan_module
from testbed.report.plan import scenarios
from testbed.report.terminal import plain_console


@click.command(name="list")
def list_() -> None:
    """List the scenarios, the facts they show, and what they expect."""
    known, wrong = scenario_file.load_known(strict=False)
    warn_passed_over(wrong)
    names = {scenario.name for scenario in known}
    origins = {name: origin for name, origin in scenario_file.origins().items() if name in names}
    plain_console().print(scenarios(known, origins, scenario_file.variant_origins()))


@click.command(epilog=options.examples("testbed plan the_night", "testbed plan my_scenario.toml --rate 20"))
@click.argument("scenario")
@options.seed
@options.rate
@options.speed
def plan(scenario: str, seed: int | None, rate: float | None, speed: float | None) -> None:
    """Check a scenario and show what it will do; starts nothing.

    SCENARIO is a name from `testbed list`, or a path to a .toml file. Every mistake in the file is listed.
    """
    warn_passed_over(scenario_file.passed_over())
    checked = planned(scenario, seed=seed, rate_per_minute=rate, speed=speed)
    plain_console().print(plan_module.plan(checked, passengers.of(checked)))


@click.command(name="trace", epilog=options.examples("testbed trace the_night passengers.jsonl --seed 7"))
@click.argument("scenario")
@click.argument("file", type=click.Path(path_type=Path))
@options.seed
@options.rate
def trace_(scenario: str, file: Path, seed: int | None, rate: float | None) -> None:
    """Write the passengers of a scenario to a file.

    A scenario that names FILE as its `workload.trace` sends exactly these requests.
    """
    require_writable("FILE", file)
    sent = passengers.of(planned(scenario, seed=seed, rate_per_minute=rate))
    trace.write(sent, file)
    click.echo(f"{len(sent.requests)} requests in {visible(str(file))}")
