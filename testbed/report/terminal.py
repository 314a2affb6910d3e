"""A console that prints words as they are."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

from rich.console import Console


class _Plain(Console):
    def on_broken_pipe(self) -> None:
        """Pass it on: rich would end the process with 1, which is the exit code of an expectation that was broken."""
        raise BrokenPipeError


def plain_console(**options: Any) -> Console:
    """Make a console that takes nothing in a text for mark-up: titles, names and errors are other people's words.

    `options` are those of rich's Console.
    """
    return _Plain(markup=False, highlight=False, emoji=False, **options)


def forget_output() -> None:
    """Let what standard output still holds, and all that is yet to come, go nowhere: Python would fail over it once more while it ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
