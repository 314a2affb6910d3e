"""The commands with which the night is played by hand: `up` in one terminal, the others in others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from testbed.cli import interactive_display, options
from testbed.cli.interruption import interruptible
from testbed.interactive import client, protocol
from testbed.report.terminal import plain_console

if TYPE_CHECKING:
    from testbed.facility.address import Address
    from testbed.interactive.protocol import Command


@click.command()
@options.runtime
@click.option("--variant", default="original", show_default=True, help="A variant of scenarios/variants.toml.")
@click.option("--servers", type=click.IntRange(1, 16), default=2, show_default=True, help="How many application servers.")
@options.runs
@options.toxiproxy
@options.postgres
def up(runtime: str, variant: str, servers: int, runs: str | None, toxiproxy: Address | None, postgres: str | None) -> None:
    """Build a facility and hold it up until Ctrl-C or `testbed down`, for the night to be played by hand."""
    from testbed.interactive import night, server  # noqa: PLC0415 - as above
    from testbed.runtime import backends  # noqa: PLC0415 - only this command builds a facility

    scenario, backend = night.night(variant, servers), backends.of(runtime, toxiproxy, postgres)
    with interactive_display.Terminal(plain_console()) as terminal:
        interruptible(server.up(scenario, backend, runs, terminal))
    click.echo("everything was taken down")


@click.command()
def status() -> None:
    """Show the facility that is up: addresses, health, request threads, pools, and where the database is."""
    _send(protocol.StatusCommand())


@click.command()
def switchover() -> None:
    """Move the database to the other host, in the five steps of the case."""
    _send(protocol.SwitchoverCommand())


@click.command()
@click.argument("service")
def threads(service: str) -> None:
    """Dump the threads of SERVICE and show them in groups."""
    _send(protocol.DumpThreadsCommand(service))


@click.command()
@click.argument("service")
def restart(service: str) -> None:
    """Dump all threads, then kill SERVICE and start it again."""
    _send(protocol.RestartCommand(service))


@click.command()
@click.option("--rate", type=click.FloatRange(0, 1000, min_open=True), required=True, help="Transactions a second.")
@click.option("--seconds", type=click.FloatRange(0, 86_400, min_open=True), default=10.0, show_default=True, help="For so long.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Another seed for the passengers.")
def load(rate: float, seconds: float, seed: int) -> None:
    """Send passengers, whether or not earlier ones came back; Ctrl-C ends it."""
    _send(protocol.LoadCommand(rate, seconds, seed))


@click.command()
def down() -> None:
    """Take the facility down that is up, with all that belongs to it."""
    _send(protocol.DownCommand())


def _send(order: Command) -> None:
    """Give an order and print the answers as they come."""
    console = plain_console()
    for answer in client.send_command(order):
        told = interactive_display.status_text(answer)
        if told is not None:
            console.print(told, soft_wrap=True)
