"""The commands that check and build what the runtimes need, and the fault proxy by itself."""

from __future__ import annotations

import sys
import time

import click

from testbed.cli import options
from testbed.errors import TestbedError, visible
from testbed.report.terminal import plain_console


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
