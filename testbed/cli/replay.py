"""The commands that judge: what a scenario's replays come to, and what old journals do."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from testbed import scenario_file
from testbed.cli import options, report
from testbed.cli.interruption import interruptible
from testbed.cli.journals import judged
from testbed.cli.live import Pictures
from testbed.cli.output import EXIT, JsonLines, require_replaceable, require_writable, warn_passed_over
from testbed.experiments import batch
from testbed.experiments.planned import planned
from testbed.report import json_lines, repetition, side_by_side
from testbed.report.terminal import plain_console
from testbed.verdict import share

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from testbed.facility.address import Address
    from testbed.facility.backend import Backend
    from testbed.plan.scenario import Scenario
    from testbed.verdict.judge import Judgement
    from testbed.verdict.result import Result


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
@click.option(
    "--jobs",
    metavar="N",
    type=options.Whole(1, 64),
    default=options.JOBS,
    show_default="cores",
    help="Replays at a time; what is unknown of one is asked again, alone.",
)
@options.seed
@options.rate
@options.speed
@options.service
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
    jobs: int,
    seed: int | None,
    rate: float | None,
    speed: float | None,
    service: str | None,
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
    plan = planned(scenario, variants, seed=seed, rate_per_minute=rate, speed=speed, service=service)
    plan, backend = batch.placed(plan, runtime, as_fast=speed is not None, toxiproxy=toxiproxy, postgres=postgres, jobs=jobs)
    console = plain_console(stderr=json_file == "-")
    warn_passed_over(scenario_file.passed_over())
    shared = scenario_file.kept_variants(used=())
    for name, origin in scenario_file.variant_origins().items():
        if any(variant.name == name and variant.settings == shared[name].settings for variant in plan.variants):
            console.print(f"variant {name}: {origin}", soft_wrap=True)
    with JsonLines(json_file) as write:
        results = interruptible(_replay_all(plan, repetitions, backend, runs, console, write, jobs))
    if repetitions > 1:
        console.print(repetition.table(results))
    report.write_html(html, results)
    _exit(console, [result.judgement for result in results])


async def _replay_all(
    plan: Scenario, repetitions: int, backend: Backend, runs: str | None, console: Console, write: Callable[[str], None], jobs: int
) -> list[Result]:
    """Replay every variant `repetitions` times on the same trace, `jobs` at a time; write each result when it is there, then the report."""
    started = time.monotonic()
    results: list[Result] = []
    async with batch.started(plan, backend, repetitions, runs, Pictures(console), jobs=jobs) as (replays, directory):
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
