"""`testbed try`: one fault over a service of one's own, with no file: how it is started, one request, and what came of it."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed.cli import options
from testbed.cli.interruption import interruptible
from testbed.cli.live import Pictures
from testbed.cli.output import EXIT, require_writable
from testbed.errors import UsageError
from testbed.experiments import batch
from testbed.experiments.trial import told
from testbed.experiments.trial.first_request import AskedFirst
from testbed.experiments.trial.trial import NAME, Trial
from testbed.report.terminal import plain_console

if TYPE_CHECKING:
    from rich.console import Console

    from testbed.facility.address import Address
    from testbed.plan.scenario import Scenario
    from testbed.verdict.result import Result

MOST_S = 600.0


@click.command(
    name="try",
    epilog=options.examples(
        "testbed try --command 'uvicorn shop:app --port {port}' --url /flights --dsn-env DATABASE_URL",
        "testbed try --command 'python -m shop' --port-env PORT --dsn-env DATABASE_URL --url /flights --fault 'silence link=database'",
        "testbed try --command 'java -jar shop.jar' --port-env SERVER_PORT --url /flights \\",
        "    --env 'SPRING_DATASOURCE_URL=jdbc:postgresql://{db_host}:{db_port}/{db_name}?user={db_user}&password={db_password}'",
    ),
)
@click.option("--command", metavar="COMMAND", required=True, help="How the service is started, here; {port} and {dsn} may stand in it.")
@click.option("--url", metavar="PATH", required=True, help="The request that is sent, a GET; a status from 200 to 299 is an answer.")
@click.option("--dsn-env", metavar="NAME", help="The environment variable that takes the database's URL, postgresql://…")
@click.option("--port-env", metavar="NAME", help="The environment variable that takes the port to listen at.")
@click.option(
    "--env", "variables", metavar="NAME=VALUE", multiple=True, help="Another variable (repeatable); {dsn}, {db_host}, … may stand in it."
)
@click.option("--schema", metavar="FILE", help="An SQL script that is run in the database first; the table flights is there.")
@click.option("--health", metavar="PATH", help="The path of the health check, which also says when the service is up.")
@click.option(
    "--start-within", metavar="S", type=options.Number(0, MOST_S, min_open=True), default=60.0, show_default=True, help="Seconds to be up."
)
@click.option("--servers", metavar="N", type=options.Whole(1, 16), default=2, show_default=True, help="So many processes of it.")
@click.option(
    "--connections", metavar="N", type=options.Whole(1, 1000), default=40, show_default=True, help="The most that one process opens."
)
@click.option(
    "--fault", metavar="'WORD [KEY=VALUE …]'", default="switchover", show_default=True, help="What is done to the facility in the middle."
)
@click.option(
    "--rate", metavar="R", type=options.Number(0, 1000, min_open=True), default=10.0, show_default=True, help="Requests per second."
)
@click.option(
    "--for",
    "for_s",
    metavar="S",
    type=options.Number(4, MOST_S),
    default=20.0,
    show_default=True,
    help="Seconds of the load; the fault comes after a quarter.",
)
@click.option(
    "--timeout",
    metavar="S",
    type=options.Number(0, MOST_S),
    default=30.0,
    show_default=True,
    help="The longest that a request of it waits by a time-out of its own, as of its pool.",
)
@click.option("--write", metavar="FILE", type=click.Path(path_type=Path), help="Write the same as a scenario, and try nothing.")
@options.runs
@options.toxiproxy
@options.postgres
def try_(
    command: str,
    url: str,
    dsn_env: str | None,
    port_env: str | None,
    variables: tuple[str, ...],
    schema: str | None,
    health: str | None,
    start_within: float,
    servers: int,
    connections: int,
    fault: str,
    rate: float,
    for_s: float,
    timeout: float,
    write: Path | None,
    runs: str | None,
    toxiproxy: Address | None,
    postgres: str | None,
) -> None:
    """Try your own service: one command, one request, one fault.

    The service is started in the place of the application servers, over the database of the case, on this machine. One caller sends it
    the request through balancers, without a time-out, and in the middle of that the database moves to its other host, or another fault
    comes. Then it is told what became of the requests, and why; the exit code is 1 if the caller was not served again by itself.
    """
    trial = Trial(
        command,
        url,
        _environment(dsn_env, port_env, variables),
        fault=fault,
        rate=rate,
        for_s=for_s,
        servers=servers,
        health=health,
        start_within_s=start_within,
        timeout_s=timeout,
        connections=connections,
        schema=schema,
    )
    plan = trial.scenario()
    if write is not None:
        require_writable("--write", write)
        write.write_text(trial.text(), encoding="utf-8")
        click.echo(f"written: {write}; to replay it: testbed replay {shlex.quote(os.path.relpath(write))}")
        return
    trial.require_program()
    plan, backend = batch.placed(plan, "processes", as_fast=True, toxiproxy=toxiproxy, postgres=postgres)
    result = interruptible(_try(trial, plan, AskedFirst(backend, url), runs, plain_console()))
    sys.exit(EXIT[result.judgement.verdict])


def _environment(dsn_env: str | None, port_env: str | None, variables: tuple[str, ...]) -> dict[str, str]:
    found = {name: value for name, value in ((dsn_env, "{dsn}"), (port_env, "{port}")) if name is not None}
    for variable in variables:
        name, equals, value = variable.partition("=")
        if not equals:
            raise UsageError(f"--env: found {variable!r}; allowed: NAME=VALUE")
        found[name] = value
    return found


async def _try(trial: Trial, plan: Scenario, backend: AskedFirst, runs: str | None, console: Console) -> Result:
    started = time.monotonic()
    async with batch.started(plan, backend, 1, runs, Pictures(console)) as (replays, directory):
        file = directory / f"{NAME}.toml"
        file.write_text(trial.text(), encoding="utf-8")
        result = await anext(replays)
        for line in told.lines(result):
            console.print(line, soft_wrap=True)
        console.print(f"{time.monotonic() - started:.1f} s; journal: {result.journal.path}", soft_wrap=True)
        console.print(f"again:   testbed replay {shlex.quote(str(file))}", soft_wrap=True)
        console.print("as a scenario of your own: the same command with --write FILE", soft_wrap=True)
    return result
