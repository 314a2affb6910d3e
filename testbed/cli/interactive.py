"""The interactive commands: `up` in one terminal, the others in others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed.cli import interactive_display, options
from testbed.cli.interruption import interruptible
from testbed.errors import FacilityError, UsageError
from testbed.interactive import client, control_socket, protocol
from testbed.report.terminal import plain_console

if TYPE_CHECKING:
    from testbed.facility.address import Address
    from testbed.interactive.protocol import Command

LAST_PID = 2**22  # proc(5), pid_max

named = click.option("--name", metavar="NAME", help="Name of the facility; by default the only one that runs.")
forced = click.option("--force", is_flag=True, help="Also if another checkout has built the facility.")


@click.command(
    epilog=options.examples(
        "testbed load --rate 5 --seconds 600",
        "testbed switchover",
        "testbed status",
        "testbed threads cf-1",
        "testbed restart cf-1",
        "testbed down",
        title="Then, in other terminals, the night of the case:",
    )
)
@click.option(
    "--variant",
    metavar="NAME",
    default="original",
    show_default=True,
    help="A variant of scenarios/variants.toml: the code and the stability patterns.",
)
@click.option("--servers", metavar="N", type=options.Whole(1, 16), default=2, show_default=True, help="Number of application servers.")
@click.option("--name", metavar="NAME", default=control_socket.DEFAULT, show_default=True, help="Name of the facility.")
@options.service
@options.runtime
@options.runs
@options.toxiproxy
@options.postgres
def up(
    variant: str,
    servers: int,
    name: str,
    service: str | None,
    runtime: str,
    runs: str | None,
    toxiproxy: Address | None,
    postgres: str | None,
) -> None:
    """Build a facility and keep it running until `testbed down`.

    Ctrl-C takes it down, too. Several can run side by side, told apart by their names.
    """
    from testbed.interactive import night, server  # noqa: PLC0415 - only this command builds a facility
    from testbed.runtime import backends  # noqa: PLC0415 - only this command builds a facility

    control_socket.path(name)  # a wrong name is an error before the work
    scenario = night.night(variant, servers, None if service is None else Path(service))
    backend = backends.of(runtime, toxiproxy, postgres)
    if lacking := backend.lacks(scenario):
        raise FacilityError(lacking)
    with interactive_display.Terminal(plain_console()) as terminal:
        interruptible(server.up(scenario, backend, runs, terminal, name))
    click.echo("everything was taken down")


@click.command()
@named
def status(name: str | None) -> None:
    """Show the running facility, or all of them.

    For each service: address, health, request threads and pool. Below them: the host of the database, the last load, the journal, and
    whose facility it is. What killed replays, classes and facilities left is swept first.
    """
    _sweep(name)
    names, failures = control_socket.running() if name is None else (name,), []
    for each in names or (control_socket.DEFAULT,):
        try:
            _send(protocol.StatusCommand(), each)
        except FacilityError as error:  # of the others there is a status all the same
            failures.append(error)
    if failures:
        raise failures[0]


@click.command()
@named
@forced
def switchover(name: str | None, *, force: bool) -> None:
    """Move the database to the other host, step by step."""
    _send(protocol.SwitchoverCommand(force=force), name)


@click.command(epilog=options.examples("testbed threads cf-1", "testbed threads --pid 4711 --pid 4712 --json threads.jsonl"))
@click.argument("service", required=False)
@click.option(
    "--pid",
    "pids",
    metavar="N",
    type=options.Whole(1, LAST_PID),
    multiple=True,
    help="Look into any Python process of this machine instead, on Linux; may be given several times.",
)
@click.option("--json", "target", metavar="FILE", help="Also write a JSON line for each --pid; - is standard output.")
@named
def threads(service: str | None, pids: tuple[int, ...], target: str | None, name: str | None) -> None:
    """Dump the threads of a service, and show them in groups.

    SERVICE is a name from `testbed status`. Threads with the same stack are one group: forty stuck request threads are a few lines.

    With --pid, the same of any Python process of yours: what each group waits for, with peer, lock and its holder; the other end of
    each connection, where that is a process of this machine; deadlocks, and listeners with their queues. Nothing is stopped but for the
    moment in which py-spy reads the stacks; a process that does not let itself be dumped within 20 s is an error. Locks of asyncio are
    not seen.
    """
    if (service is None) == (not pids):
        found = "neither SERVICE nor --pid" if service is None else "both SERVICE and --pid"
        raise UsageError(f"testbed threads: found {found}; allowed: one of them")
    if service is None:
        if name is not None:
            raise UsageError("testbed threads: --name is of a facility, and not allowed with --pid")
        from testbed.cli.process_threads import show_threads  # noqa: PLC0415 - only this command reads /proc

        show_threads(pids, target)
        return
    if target is not None:
        raise UsageError("testbed threads: --json is allowed with --pid only; the dump of a service is in its run's directory")
    _send(protocol.DumpThreadsCommand(service), name)


@click.command()
@click.argument("service")
@named
@forced
def restart(service: str, name: str | None, *, force: bool) -> None:
    """Kill a service and start it again, after a dump of all threads.

    SERVICE is a name from `testbed status`, such as cf-1 or kiosk.
    """
    _send(protocol.RestartCommand(service, force=force), name)


@click.command()
@click.option("--rate", metavar="R", type=options.Number(0, 1000, min_open=True), required=True, help="Transactions per second.")
@click.option(
    "--seconds", metavar="S", type=options.Number(0, 86_400, min_open=True), default=10.0, show_default=True, help="Duration of the load."
)
@click.option(
    "--seed", metavar="N", type=options.Whole(0, 2**63 - 1), default=1, show_default=True, help="Seed that the passengers are drawn by."
)
@named
def load(rate: float, seconds: float, seed: int, name: str | None) -> None:
    """Send the running facility transactions at a fixed rate.

    The rate does not wait for responses. Ctrl-C ends the load. The last line says how many were answered, failed, and are still waiting.
    """
    _send(protocol.LoadCommand(rate, seconds, seed), name)


@click.command()
@named
@forced
def down(name: str | None, *, force: bool) -> None:
    """Take the running facility down.

    What killed replays, classes and facilities left is swept first.
    """
    _sweep(name)
    _send(protocol.DownCommand(force=force), name)


def _sweep(name: str | None) -> None:
    """Sweep what killed testbeds left, and print what that was; raises UsageError for a wrong name before."""
    from testbed.interactive import leftovers  # noqa: PLC0415 - only these two commands wait for what sweeping imports

    if name is not None:
        control_socket.path(name)
    swept = interactive_display.swept_text(leftovers.sweep())
    if swept is not None:
        plain_console().print(swept, soft_wrap=True)


def _send(command: Command, name: str | None) -> None:
    """Send a command to a facility, the only one if no name is given, and print its replies as they come."""
    console = plain_console()
    for reply in client.send_command(command, client.the_one(name)):
        text = interactive_display.reply_text(reply)
        if text is not None:
            console.print(text, soft_wrap=True)
