"""A console without mark-up."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

from rich.console import Console


class _Plain(Console):
    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError: rich would end the process with 1, the exit code of a broken expectation."""
        raise BrokenPipeError


def plain_console(**options: Any) -> Console:
    """Return a console that reads no mark-up in a text: titles, names and errors are other people's words.

    `options` are those of rich's Console.
    """
    return _Plain(markup=False, highlight=False, emoji=False, **options)


def forget_output() -> None:
    """Discard what is still written to standard output: Python would raise BrokenPipeError again at its exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
