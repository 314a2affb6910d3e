"""The options that commands share, and what they take: a facility's backend, its programs, the directory of its journals, and numbers."""

from __future__ import annotations

import math
import os
import re
from typing import Any

import click

from testbed.errors import shortened
from testbed.experiments.planned import MAX_RATE_PER_MINUTE, MAX_SEED, MAX_SPEED
from testbed.facility.address import Address
from testbed.facility.runtime import RUNTIMES

WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
DECIMAL = re.compile(r"[+-]?([0-9]{1,300}\.?[0-9]{0,300}|\.[0-9]{1,300})([eE][+-]?[0-9]{1,3})?")
FOUND_CHARS = 60
JOBS = os.cpu_count() or 1  # twice as many take two thirds of the time, but twice the memory, and now and then one has to be replayed again


class Whole(click.IntRange):
    """A whole number in a range, in the digits 0 to 9: Python itself also takes those of every other script, and `1_0`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return it; a text that is none is an error of the command line."""
        if isinstance(value, str) and not WHOLE.fullmatch(value):
            self.fail(f"found {shortened(value, FOUND_CHARS)!r}; allowed: a whole number, such as 10", param, ctx)
        return super().convert(value, param, ctx)


class Number(click.FloatRange):
    """A number in a range, in the digits 0 to 9: `nan`, which is neither below nor above anything, is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return it; a text that is no finite number is an error of the command line."""
        if isinstance(value, str) and not (DECIMAL.fullmatch(value) and math.isfinite(float(value))):
            self.fail(f"found {shortened(value, FOUND_CHARS)!r}; allowed: a finite number, such as 2.5", param, ctx)
        return super().convert(value, param, ctx)


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

seed = click.option("--seed", metavar="N", type=Whole(0, MAX_SEED), help="Draw other passengers, by this seed.")

service = click.option(
    "--service",
    metavar="FILE",
    help="Put the service of this file in the place of the application servers: a table [service], as a scenario may have it.",
)

rate = click.option(
    "--rate",
    metavar="R",
    type=Number(0, MAX_RATE_PER_MINUTE, min_open=True),
    help="Mean transactions per minute of the night.",
)

speed = click.option(
    "--speed",
    metavar="S",
    type=Number(0, MAX_SPEED, min_open=True),
    help="Seconds of the night per real second, all night.",
)
