"""The command that holds a class, and shows recorded nights in its page."""

from __future__ import annotations

import os
import sys
import webbrowser
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed.classroom import export, hold, kept_class, recording
from testbed.classroom.hold import Place
from testbed.classroom.inquiry import prevention
from testbed.classroom.lessons import lesson as lessons
from testbed.cli import options
from testbed.cli.interruption import interruptible
from testbed.errors import FacilityError, UsageError, bounded, visible
from testbed.journal import reader
from testbed.journal.events import Request
from testbed.runtime import backends

if TYPE_CHECKING:
    from testbed.classroom.web.addresses import Addresses
    from testbed.facility.address import Address
    from testbed.journal.reader import Journal

LOOPBACK = "127.0.0.1"
DEFAULT = "the_night"
LAST_PORT = 65_535


@click.command(
    "class",
    epilog=options.examples(
        "testbed class",
        "testbed class aftershock --host 0.0.0.0",
        "testbed class --from .testbed/runs/latest/original.jsonl",
        "testbed class --from .testbed/runs/latest/original.jsonl --export night",
    ),
)
@click.argument("lesson", required=False)
@click.option("--list", "lists", is_flag=True, help="List the lessons.")
@click.option("--host", metavar="HOST", default=LOOPBACK, show_default=True, help="Where to listen; 0.0.0.0: for other machines, too.")
@click.option("--port", metavar="PORT", type=options.Whole(1, LAST_PORT), help="Where to listen; 8040 by default, or one that is free.")
@click.option("--no-browser", is_flag=True, help="Do not open the trainer's page in a browser.")
@click.option("--from", "run", metavar="RUN", type=click.Path(path_type=Path), help="Play a journal instead, without a facility.")
@click.option("--export", "folder", metavar="DIR", type=click.Path(path_type=Path), help="With --from: write its page into a folder.")
@options.runtime
@options.runs
@options.toxiproxy
@options.postgres
def class_(
    lesson: str | None,
    host: str,
    port: int | None,
    run: Path | None,
    folder: Path | None,
    runtime: str,
    runs: str | None,
    toxiproxy: Address | None,
    postgres: str | None,
    *,
    lists: bool,
    no_browser: bool,
) -> None:
    """Hold a class: it plays a lesson's night in the browser.

    LESSON is a name that --list shows, or a file; by default the night of the case. Two addresses are printed, one for the trainer and
    one for the class. Ctrl-C takes all down.
    """
    if lists:
        for name in lessons.kept():
            click.echo(f"{name:<16} {_title(name, runtime)}")
        return
    place = Place(host, port, runs, prevention.Place(runtime, toxiproxy, postgres))
    if folder is not None and run is None:
        raise UsageError("--export: allowed with --from RUN only: it writes the page of a recorded night")
    if run is not None:
        if lesson is not None:
            raise UsageError(f"found both LESSON {lesson} and --from; allowed: one of them")
        _show(run, folder, place, no_browser=no_browser)
        return
    chosen = lessons.read(lesson or DEFAULT, runtime)
    backend = backends.of(runtime, toxiproxy, postgres)
    again = f"testbed class {lesson}" if lesson else "testbed class"
    opened = partial(_opened, chosen.title, no_browser=no_browser)
    interruptible(hold.hold(chosen, backend, place, opened, lambda why: _gone(why, again)))


def _title(name: str, runtime: str) -> str:
    """Return a lesson's title and how long it takes, or why the runtime cannot carry it."""
    try:
        lesson = lessons.read(name, runtime)
    except FacilityError as error:
        return str(error)
    return f"{lesson.title}, {lesson.minutes:g} min"


def _show(run: Path, folder: Path | None, place: Place, *, no_browser: bool) -> None:
    """Serve a recorded night, or write it into a folder; a journal without a night is told, as its page has little to show."""
    journal = _journal(run)
    kept = kept_class.beside(journal)
    if not journal.of(Request):
        end = journal.end
        why = "it has no end" if end is None else f"it ended as {end.reason}" + (f": {end.detail}" if end.detail else "")
        click.echo(f"{journal.path} has no night, as no passenger came: {bounded(why)}; its page shows no more than it has", err=True)
    if folder is not None:
        files = export.export(journal, folder, kept)
        click.echo(f"{len(files)} files in {folder}; open {folder / 'index.html'}")
        return
    data = recording.script(journal, kept)
    interruptible(
        hold.show(data, place, lambda found: _opened(journal.header.title if kept is None else kept.title, found, no_browser=no_browser))
    )


def _journal(run: Path) -> Journal:
    """Read a journal, or the only one of a run's directory; raises UsageError for several, with their names."""
    if not run.is_dir():
        return reader.read(run)
    found = sorted(run.resolve().rglob("*.jsonl"))
    if len(found) != 1:
        told = ", ".join(str(path.relative_to(run.resolve())) for path in found) or "none"
        raise UsageError(f"--from: {run} has {len(found)} journals: {told}; allowed: one of them")
    return reader.read(found[0])


def _opened(title: str, found: Addresses, journal: Path | None = None, *, no_browser: bool) -> None:
    """Print the addresses, and where the journal of a live night will be; and open the trainer's page where there is a screen.

    A title may be somebody else's, as may be why a night has ended: the terminal obeys neither.
    """
    click.echo(bounded(title))
    if journal is None:
        click.echo(f"  the recorded night:  {found.of_class}")
    else:
        click.echo(f"  the class:    {found.of_class}")
        click.echo(f"  the trainer:  {found.trainer}")
        click.echo(f"  its journal:  {journal}")
    click.echo("Ctrl-C takes all down.")
    has_screen = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if has_screen and not no_browser:
        webbrowser.open(found.of_class if journal is None else found.trainer)


def _gone(why: str, again: str) -> None:
    """Print that the facility is gone, and what to do about it, while the page is still there."""
    click.echo(f"The facility is gone: {visible(why)}\nThe page stays as it is. Press Ctrl-C, and start the class again: {again}", err=True)
