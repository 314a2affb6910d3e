"""The options that say where a facility lives, out of whose parts, and where its journals go: of every command that builds one."""

from __future__ import annotations

import os

import click

from testbed.facility.address import Address
from testbed.facility.runtime import RUNTIMES

JOBS = (os.cpu_count() or 1) + 1  # a replay waits now and then, for its night or for what may yet come back


def _address(_: click.Context, __: click.Parameter, value: str | None) -> Address | None:
    try:
        return None if value is None else Address.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


runtime = click.option("--runtime", type=click.Choice(RUNTIMES), default="processes", show_default=True, help="Where the facility lives.")


runs = click.option("--runs", help="Directory for journals and thread dumps.", envvar="TESTBED_RUNS", show_default=".testbed/runs")


toxiproxy = click.option("--toxiproxy", callback=_address, envvar="TESTBED_TOXIPROXY", help="HOST:PORT of a running Toxiproxy to use.")


postgres = click.option("--postgres", envvar="TESTBED_POSTGRES", help="Directory of an installed PostgreSQL's programs to use.")
