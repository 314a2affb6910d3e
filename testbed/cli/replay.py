"""The commands that replay a scenario, judge journals, and list or check what there is."""

from __future__ import annotations

import os
import shlex
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from testbed import scenario_file
from testbed.cli import facts, options, report
from testbed.cli.interruption import interruptible
from testbed.cli.journals import judged
from testbed.cli.live import Picture
from testbed.cli.output import EXIT, JsonLines, require_replaceable, require_writable, warn_passed_over
from testbed.errors import TestbedError, visible
from testbed.experiments import batch
from testbed.plan import passengers, trace
from testbed.report import json_lines, repetition, side_by_side
from testbed.report import plan as plan_module
from testbed.report.plan import scenarios
from testbed.report.terminal import plain_console, whole_line_console
from testbed.verdict import share

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from testbed.facility.address import Address
    from testbed.facility.backend import Backend
    from testbed.plan.scenario import Scenario
    from testbed.verdict.judge import Judgement
    from testbed.verdict.result import Result


_seed = click.option("--seed", metavar="N", type=options.Whole(0, batch.MAX_SEED), help="Draw other passengers, by this seed.")


_rate = click.option(
    "--rate",
    metavar="R",
    type=options.Number(0, batch.MAX_RATE_PER_MINUTE, min_open=True),
    help="Mean transactions per minute of the night.",
)


_speed = click.option(
    "--speed",
    metavar="S",
    type=options.Number(0, batch.MAX_SPEED, min_open=True),
    help="Seconds of the night per real second, all night.",
)


_json = click.option(
    "--json",
    "json_file",
    metavar="FILE",
    help="Write each result as a line of JSON; - writes them to standard output, and the rest to standard error.",
)


@click.command(
    epilog=options.examples(
        "testbed replay the_night",
        "testbed replay the_night --variant original --variant circuit_breaker",
        "testbed replay the_night --variant fixed --repeat 10 --json results.jsonl",
        "testbed replay my_scenario.toml --runtime containers",
    )
)
@click.argument("scenario")
@click.option(
    "--variant",
    "variants",
    metavar="NAME",
    multiple=True,
    help="Replay only this variant (repeatable): the scenario's, or of variants.toml.",
)
@click.option(
    "--repeat",
    "repetitions",
    metavar="N",
    type=options.Whole(1, batch.MAX_REPETITIONS),
    default=1,
    show_default=True,
    help="Replay each variant N times, and print how often each outcome came.",
)
@_seed
@_rate
@_speed
@options.runtime
@_json
@report.html
@options.runs
@options.toxiproxy
@options.postgres
def replay(
    scenario: str,
    variants: tuple[str, ...],
    runtime: str,
    repetitions: int,
    seed: int | None,
    rate: float | None,
    speed: float | None,
    json_file: str | None,
    html: Path | None,
    runs: str | None,
    toxiproxy: Address | None,
    postgres: str | None,
) -> None:
    """Replay a scenario over its variants, and judge each.

    SCENARIO is a name from `testbed list`, or a path to a .toml file. Journals and thread dumps are kept; the last line has their path.
    """
    require_replaceable("--html", html)
    plan = batch.planned(scenario, variants, seed=seed, rate_per_minute=rate, speed=speed)
    plan, backend = batch.placed(plan, runtime, as_fast=speed is not None, toxiproxy=toxiproxy, postgres=postgres)
    console = plain_console(stderr=json_file == "-")
    warn_passed_over(scenario_file.passed_over())
    shared = scenario_file.kept_variants(used=())
    for name, origin in scenario_file.variant_origins().items():
        if any(variant.name == name and variant.settings == shared[name].settings for variant in plan.variants):
            console.print(f"variant {name}: {origin}", soft_wrap=True)
    with JsonLines(json_file) as write:
        results = interruptible(_replay_all(plan, repetitions, backend, runs, console, write))
    if repetitions > 1:
        console.print(repetition.table(results))
    report.write_html(html, results)
    _exit(console, [result.judgement for result in results])


async def _replay_all(
    plan: Scenario, repetitions: int, backend: Backend, runs: str | None, console: Console, write: Callable[[str], None]
) -> list[Result]:
    """Replay every variant `repetitions` times, in turn, on the same trace; write each result when it is there, then the report."""
    started = time.monotonic()
    results: list[Result] = []
    async with batch.started(plan, backend, repetitions, runs, partial(Picture, console)) as (replays, directory):
        console.print(f"journals go to {directory}", soft_wrap=True)
        async for result in replays:
            results.append(result)
            write(json_lines.line(result.judgement, result.wall_s))
        if repetitions == 1:
            _report(console, [result.judgement for result in results])
        took_s, again = time.monotonic() - started, f"testbed judge {shlex.quote(str(directory))}"
        console.print(f"{took_s:.1f} s from command to verdict; journals in {directory}; to judge them again: {again}", soft_wrap=True)
    return results


def _report(console: Console, judgements: list[Judgement]) -> None:
    console.print(side_by_side.side_by_side(judgements))
    console.print(side_by_side.findings(judgements), soft_wrap=True)  # a path that is broken over two lines cannot be pasted


@click.command(
    name="judge",
    epilog=options.examples(
        "testbed judge",
        "testbed judge .testbed/runs/latest/original.jsonl",
        "testbed judge .testbed/runs --json verdicts.jsonl --svg report.svg",
    ),
)
@click.argument("journals", nargs=-1, type=click.Path(path_type=Path))
@options.runs
@_json
@click.option("--svg", metavar="FILE", type=click.Path(path_type=Path), help="Draw the printed report as an SVG file, too.")
@report.html
def judge_(journals: tuple[Path, ...], runs: str | None, json_file: str | None, svg: Path | None, html: Path | None) -> None:
    """Judge old journals again, by today's rules.

    JOURNALS are files, or directories of them; without any, the last run below --runs.
    """
    require_writable("--json", None if json_file in (None, "-") else Path(str(json_file)))
    require_writable("--svg", svg)
    require_replaceable("--html", html)
    console = plain_console(stderr=json_file == "-")
    results = judged(journals, runs)
    judgements = [result.judgement for result in results]
    with JsonLines(json_file) as write:
        for result in results:
            write(json_lines.line(result.judgement, result.wall_s))
    _report(console, judgements)
    if svg is not None:
        side_by_side.draw(judgements, svg)
    report.write_html(html, results)
    _exit(console, judgements)


def _exit(console: Console, judgements: list[Judgement]) -> NoReturn:
    """Say of each variant that asks for a share how many replays held, and exit as the worst verdict says."""
    verdicts = share.of(judgements)
    for over in verdicts:
        if over.text:
            console.print(f"{over.variant}: {over.verdict.value}, {over.text}", soft_wrap=True)
    sys.exit(EXIT[max((over.verdict for over in verdicts), key=lambda verdict: verdict.rank)])


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
@_seed
@_rate
@_speed
def plan(scenario: str, seed: int | None, rate: float | None, speed: float | None) -> None:
    """Check a scenario and show what it will do; starts nothing.

    SCENARIO is a name from `testbed list`, or a path to a .toml file. Every mistake in the file is listed.
    """
    warn_passed_over(scenario_file.passed_over())
    checked = batch.planned(scenario, seed=seed, rate_per_minute=rate, speed=speed)
    plain_console().print(plan_module.plan(checked, passengers.of(checked)))


@click.command(name="facts")
@click.option("--tests", "names", is_flag=True, help="Name the scenarios and tests that show each fact, one per line.")
def facts_(*, names: bool) -> None:
    """List the facts of the case, and how often each is shown.

    Each fact has an id, such as O4, by which scenarios and tests name it.
    """
    by_fact = facts.shown()
    if not names:
        # In a pipe, lines are whole, so that grep finds them; a width that was asked for is kept.
        console = plain_console() if os.environ.get("COLUMNS", "").isdigit() else whole_line_console()
        console.print(facts.table(by_fact))
        return
    for line in facts.lines(by_fact):
        click.echo(line)  # rich would fold a long name, and then it cannot be pasted


@click.command(name="trace", epilog=options.examples("testbed trace the_night passengers.jsonl --seed 7"))
@click.argument("scenario")
@click.argument("file", type=click.Path(path_type=Path))
@_seed
@_rate
def trace_(scenario: str, file: Path, seed: int | None, rate: float | None) -> None:
    """Write the passengers of a scenario to a file.

    A scenario that names FILE as its `workload.trace` sends exactly these requests.
    """
    require_writable("FILE", file)
    sent = passengers.of(batch.planned(scenario, seed=seed, rate_per_minute=rate))
    trace.write(sent, file)
    click.echo(f"{len(sent.requests)} requests in {visible(str(file))}")


@click.command()
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Address of the HTTP API.")
@click.option(
    "--port", metavar="N", type=options.Whole(0, 65_535), default=8474, show_default=True, help="Port of the HTTP API; 0 takes a free one."
)
def faultproxy(host: str, port: int) -> None:
    """Run the bundled fault proxy, with Toxiproxy's HTTP API."""
    from testbed.faultproxy.server import serve  # noqa: PLC0415 - no other command needs a web server

    sys.exit(serve(host, port))


@click.group(name="image")
def image_group() -> None:
    """Build the image of the containers runtime."""


@image_group.command(name="build")
def image_build() -> None:
    """Build the image for the installed code, unless it is there already."""
    from testbed.runtime.containers import image  # noqa: PLC0415 - only these two commands need the engine

    started = time.monotonic()
    built = image.build(lambda line: click.echo(f"{time.monotonic() - started:6.1f} s  {visible(line)}"))
    click.echo(f"{built.name}: {built.size_bytes / 1e6:.0f} MB, {time.monotonic() - started:.1f} s")


@click.command(name="doctor")
def doctor_() -> None:
    """Check what the containers runtime needs, and what is missing.

    Each line says what to do about it; the exit code is 3 when something is missing.
    """
    from testbed.runtime.containers import doctor  # noqa: PLC0415 - only these two commands need the engine

    needs = doctor.examine()
    plain_console().print(doctor.table(needs))
    sys.exit(0 if all(need.met for need in needs) else TestbedError.exit_code)
