"""The commands that replay the night of a scenario, judge what was kept of it, and tell what there is."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed import scenario_file
from testbed.cli import facts, options
from testbed.cli.interruption import interruptible
from testbed.cli.live import Picture
from testbed.cli.output import EXIT, JsonLines
from testbed.errors import TestbedError, UsageError
from testbed.experiments import batch
from testbed.journal import reader
from testbed.plan import passengers, trace
from testbed.report import json_lines, repetition, side_by_side
from testbed.report import plan as plan_module
from testbed.report.plan import scenarios
from testbed.report.terminal import plain_console
from testbed.verdict import judge
from testbed.verdict.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from testbed.facility.address import Address
    from testbed.facility.backend import Backend
    from testbed.journal.reader import Journal
    from testbed.plan.scenario import Scenario
    from testbed.verdict.judge import Judgement


_seed = click.option("--seed", type=click.IntRange(0, batch.MAX_SEED), help="Another seed for the passengers.")


_rate = click.option(
    "--rate", type=click.FloatRange(0, batch.MAX_RATE_PER_MINUTE, min_open=True), help="Mean transactions a minute of the night."
)


_speed = click.option(
    "--speed", type=click.FloatRange(0, batch.MAX_SPEED, min_open=True), help="Seconds of the night in a real second, all night."
)


_json = click.option(
    "--json", "json_file", help="Write one JSON object a line to this file; - for standard output, and nothing else there."
)


@click.command()
@click.argument("scenario")
@click.option("--variant", "variants", multiple=True, help="Replay only this variant; may be given more than once.")
@options.runtime
@click.option(
    "--repeat",
    "repetitions",
    type=click.IntRange(1, batch.MAX_REPETITIONS),
    default=1,
    show_default=True,
    help="Replay each variant so often.",
)
@_seed
@_rate
@_speed
@_json
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
    runs: str | None,
    toxiproxy: Address | None,
    postgres: str | None,
) -> None:
    """Replay SCENARIO (a name, or a path to a .toml file) over its variants, and judge each."""
    plan = batch.planned(scenario, variants, seed=seed, rate_per_minute=rate, speed=speed)
    plan, backend = batch.placed(plan, runtime, as_fast=speed is not None, toxiproxy=toxiproxy, postgres=postgres)
    console = plain_console(stderr=json_file == "-")
    kept = scenario_file.kept_variants()
    for name, origin in scenario_file.variant_origins().items():
        if any(variant.name == name and variant.settings == kept[name].settings for variant in plan.variants):
            console.print(f"variant {name}: {origin}", soft_wrap=True)
    with JsonLines(json_file) as write:
        results = interruptible(_replay_all(plan, repetitions, backend, runs, console, write))
    if repetitions > 1:
        console.print(repetition.table(results))
    sys.exit(EXIT[max((one.judgement.verdict for one in results), key=lambda one: one.rank)])


async def _replay_all(
    plan: Scenario, repetitions: int, backend: Backend, runs: str | None, console: Console, write: Callable[[str], None]
) -> list[Result]:
    """Replay every variant so often, in turn, on the same trace; report as it goes."""
    started = time.monotonic()
    results: list[Result] = []
    async with batch.started(plan, backend, repetitions, runs, partial(Picture, console)) as (replays, directory):
        async for result in replays:
            results.append(result)
            write(json_lines.line(result.judgement, result.wall_s))
        if repetitions == 1:
            _report(console, [result.judgement for result in results])
        console.print(f"{time.monotonic() - started:.1f} s from command to verdict; journals in {directory}", soft_wrap=True)
    return results


def _report(console: Console, judgements: list[Judgement]) -> None:
    console.print(side_by_side.side_by_side(judgements))
    console.print(side_by_side.findings(judgements), soft_wrap=True)  # a path that is broken over two lines cannot be pasted


@click.command(name="judge")
@click.argument("journals", nargs=-1, type=click.Path(path_type=Path))
@options.runs
@_json
@click.option("--svg", type=click.Path(path_type=Path), help="Draw what is printed into this SVG file as well.")
def judge_(journals: tuple[Path, ...], runs: str | None, json_file: str | None, svg: Path | None) -> None:
    """Judge JOURNALS of old replays again: files, or directories of them; the last run when none is named."""
    console = plain_console(stderr=json_file == "-")
    read = [old for path in journals or (batch.runs_home(runs) / batch.LATEST,) for old in _journals(path)]
    judgements = [judge.judge(old) for old in read]
    with JsonLines(json_file) as write:
        for old, judgement in zip(read, judgements, strict=True):
            batch.keep_tracebacks(old.path, judgement)
            write(json_lines.line(judgement, max((event.t_s for event in old.events), default=0.0)))
    _report(console, judgements)
    if svg is not None:
        side_by_side.draw(judgements, svg)
    sys.exit(EXIT[max((judgement.verdict for judgement in judgements), key=lambda verdict_: verdict_.rank)])


def _journals(path: Path) -> list[Journal]:
    """Read a journal, or every one below a directory in the order in which their replays started."""
    if not path.is_dir():
        return [reader.read(path)]
    files = sorted(path.resolve().rglob("*.jsonl"))
    if not files:
        raise UsageError(f"there are no journals (*.jsonl) in {path}; name another directory or file")
    return sorted((reader.read(file) for file in files), key=lambda kept: kept.header.started_at)


@click.command(name="list")
def list_() -> None:
    """List the scenarios."""
    known = [scenario_file.load(path) for path in scenario_file.known()]
    plain_console().print(scenarios(known, scenario_file.origins(), scenario_file.variant_origins()))


@click.command()
@click.argument("scenario")
@_seed
@_rate
@_speed
def plan(scenario: str, seed: int | None, rate: float | None, speed: float | None) -> None:
    """Check SCENARIO and show what it will do, without starting anything."""
    read = batch.planned(scenario, seed=seed, rate_per_minute=rate, speed=speed)
    plain_console().print(plan_module.plan(read, passengers.of(read)))


@click.command(name="facts")
@click.option("--tests", "names", is_flag=True, help="Name the scenarios and tests that show each fact, one a line.")
def facts_(*, names: bool) -> None:
    """List the facts of the case, and how many scenarios and tests show each."""
    by_fact = facts.shown()
    if not names:
        plain_console().print(facts.table(by_fact))
        return
    for line in facts.lines(by_fact):
        click.echo(line)  # rich would fold a long name, and then it cannot be pasted


@click.command(name="trace")
@click.argument("scenario")
@click.argument("file", type=click.Path(path_type=Path))
@_seed
@_rate
def trace_(scenario: str, file: Path, seed: int | None, rate: float | None) -> None:
    """Write the trace of SCENARIO to FILE, to be kept and named in a scenario."""
    sent = passengers.of(batch.planned(scenario, seed=seed, rate_per_minute=rate))
    trace.write(sent, file)
    click.echo(f"{len(sent.requests)} requests in {file}")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65_535), default=8474, show_default=True, help="0 takes a free one.")
def faultproxy(host: str, port: int) -> None:
    """Run the bundled fault proxy, which speaks Toxiproxy's HTTP API."""
    from testbed.faultproxy.server import serve  # noqa: PLC0415 - no other command needs a web server

    sys.exit(serve(host, port))


@click.group(name="image")
def image_group() -> None:
    """Build the image of the containers runtime."""


@image_group.command(name="build")
def image_build() -> None:
    """Build the image for the installed code; nothing is done when it is there already."""
    from testbed.runtime.containers import image  # noqa: PLC0415 - only these two commands need the engine

    started = time.monotonic()
    built = image.build(lambda line: click.echo(f"{time.monotonic() - started:6.1f} s  {line}"))
    click.echo(f"{built.name}: {built.size_bytes / 1e6:.0f} MB, {time.monotonic() - started:.1f} s")


@click.command(name="doctor")
def doctor_() -> None:
    """Tell what the containers runtime needs, what of it is missing, and what to do about it; exit code 3 when something is."""
    from testbed.runtime.containers import doctor  # noqa: PLC0415 - only these two commands need the engine

    needs = doctor.examine()
    plain_console().print(doctor.table(needs))
    sys.exit(0 if all(need.met for need in needs) else TestbedError.exit_code)
