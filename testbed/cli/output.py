"""Output files of commands: JSON lines and texts, checked before anything is started; and the exit codes of verdicts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed.errors import UsageError
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable


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
        try:
            self._file = Path(self._target).open("w", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--json: {self._target} cannot be written: {error.strerror}") from error
        return lambda line: print(line, file=self._file, flush=True)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def require_writable(option: str, path: Path | None) -> None:
    """Raise UsageError before the replays, and not after them, if a file cannot be written."""
    if path is not None and (path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK)):
        raise UsageError(f"{option}: {path} cannot be written; give a file in an existing directory")


def write_text(option: str, path: Path | None, text: str) -> None:
    """Write a text to the file of an option, if the option is given; raises UsageError when the file cannot be written."""
    if path is None:
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{option}: {path} cannot be written: {error.strerror}") from error
