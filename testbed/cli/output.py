"""Where a command's results go: JSON lines and texts, checked before anything is started; a batch's progress; and exit codes."""

from __future__ import annotations

import os
import stat
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed.errors import UsageError, bounded
from testbed.plan import given_file, written_file
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import Console


EXIT = {Verdict.HELD: 0, Verdict.BROKEN: 1, Verdict.UNKNOWN: 3}


class JsonLines:
    """A target of JSON lines: a file, standard output (`-`), or nothing. Raises UsageError on entry if the file cannot be written."""

    def __init__(self, target: str | None) -> None:
        self._target = target

    def __enter__(self) -> Callable[[str], None]:
        self._file = None
        if self._target is None:
            return lambda _: None
        if self._target == "-":
            return click.echo
        with writing("--json", Path(self._target)):
            self._file = given_file.open_to_write(Path(self._target))
        return self._write

    def _write(self, line: str) -> None:
        with self._naming():
            print(line, file=self._file, flush=True)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with self._naming():
                self._file.close()

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Name the file in what the system refuses: it names none that is open."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._target) from error


def warn(text: str) -> None:
    """Print a warning on standard error, in a line of which no terminal obeys a character."""
    click.echo(f"testbed: warning: {bounded(text)}", err=True)


def warn_passed_over(mistakes: Iterable[str]) -> None:
    """Print a line on standard error for each file of the user's own `scenarios` that is passed over."""
    for mistake in mistakes:
        warn(f"passed over {mistake}")


def require_writable(option: str, path: Path | None) -> None:
    """Raise UsageError before the work, and not after it, if a file cannot be written."""
    if path is None:
        return
    with writing(option, path):
        try:
            is_directory, needed = stat.S_ISDIR(path.stat().st_mode), path
        except FileNotFoundError:
            is_directory, needed = False, path.parent
        else:
            given_file.require_reader(path)
    if is_directory or not os.access(needed, os.W_OK):
        raise UsageError(f"{option}: {path} cannot be written; give a file in an existing directory")


def require_writable_folder(option: str, path: Path) -> None:
    """Raise UsageError now, and not after all the replays, when a folder can neither be written to nor made."""
    with writing(option, path):
        there = path if path.is_dir() else path.parent
    if path.is_file() or not (there.is_dir() and os.access(there, os.W_OK)):
        raise UsageError(f"{option}: nothing can be written to {path}; give a folder, such as scenarios/containment")


def write_text(option: str, path: Path | None, text: str) -> None:
    """Write a text to the file of an option, if the option is given; raises UsageError when the file cannot be written."""
    if path is not None:
        with writing(option, path), given_file.open_to_write(path) as file:
            file.write(text)


def require_replaceable(option: str, path: Path | None) -> None:
    """Raise UsageError before the work, and not after it, if `replace_text` cannot write a file."""
    if path is not None and str(path) == "-":
        raise UsageError(f"{option}: found -; allowed: a file")
    require_writable(option, path)
    if path is not None and _is_replaced(path) and not os.access(path.resolve().parent, os.W_OK):
        raise UsageError(f"{option}: {path} cannot be written; give a file in a directory that can be written to")


def replace_text(option: str, path: Path, text: str) -> None:
    """Write a text to a file so that nobody ever sees half of it; raises UsageError when that cannot be done, and leaves what was there.

    A device or a pipe is written to as it is, and where a link leads is replaced, and not the link.
    """
    if not _is_replaced(path):
        write_text(option, path, text)
        return
    with writing(option, path):
        try:
            written_file.write(path.resolve(), text)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error


def _is_replaced(path: Path) -> bool:
    """Whether a path leads to a regular file, or to none yet."""
    return path.is_file() or not path.exists()


@contextmanager
def writing(option: str, path: Path) -> Iterator[None]:
    """Raise UsageError with the option and the file if a file cannot be written; `path` is where, if the error does not say it."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{option}: {error.filename or path} cannot be written: {error.strerror}") from error


@contextmanager
def reading(option: str, path: Path) -> Iterator[None]:
    """Raise UsageError with the option and the file if something that was named cannot be read, or looked at."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{option}: {error.filename or path} cannot be read: {error.strerror}") from error


@dataclass(slots=True)
class BatchProgress:
    """Prints a numbered line for each replay of a batch when it is done, and a closing line.

    `total`, `noun`: how many of what there are. `jobs`: how many are replayed at a time.
    """

    console: Console
    total: int
    noun: str
    jobs: int
    done: int = 0
    started_s: float = field(default_factory=time.monotonic)

    def print_done(self, text: str, took_s: float) -> None:
        """Print what became of the next one, and the seconds it took."""
        self.done += 1
        self.console.print(f"{self.done:3} of {self.total} {text}, {took_s:.1f} s", soft_wrap=True)

    def print_all_done(self, directory: Path) -> None:
        """Print how long all took, and where the journals are."""
        took_s = time.monotonic() - self.started_s
        self.console.print(f"{self.total} {self.noun} in {took_s:.0f} s, {self.jobs} at a time; journals in {directory}", soft_wrap=True)
