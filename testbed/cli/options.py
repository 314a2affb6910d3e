"""The options that commands share: the backend of a facility, the programs it uses, and the directory of its journals."""

from __future__ import annotations

import os

import click

from testbed.facility.address import Address
from testbed.facility.runtime import RUNTIMES

JOBS = os.cpu_count() or 1  # one more is no faster, and answers are late then for want of a processor


def _address(_: click.Context, __: click.Parameter, value: str | None) -> Address | None:
    try:
        return None if value is None else Address.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def examples(*lines: str, title: str = "Examples:") -> str:
    """Return the epilog of a command's help: a title and one command line each, which click does not wrap."""
    return "\n".join(["\b", title, *(f"  {line}" for line in lines)])


runtime = click.option(
    "--runtime",
    type=click.Choice(RUNTIMES),
    default="processes",
    show_default=True,
    help="Build the facility as processes of this machine, or in containers (see `testbed doctor`).",
)

runs = click.option(
    "--runs",
    metavar="DIRECTORY",
    envvar="TESTBED_RUNS",
    default=".testbed/runs",
    show_default=True,
    show_envvar=True,
    help="Directory for journals and thread dumps.",
)

toxiproxy = click.option(
    "--toxiproxy",
    metavar="HOST:PORT",
    callback=_address,
    envvar="TESTBED_TOXIPROXY",
    show_envvar=True,
    help="Use this running Toxiproxy instead of the bundled fault proxy.",
)

postgres = click.option(
    "--postgres",
    metavar="DIRECTORY",
    envvar="TESTBED_POSTGRES",
    show_envvar=True,
    help="Use the PostgreSQL programs of this directory instead of the bundled ones.",
)
