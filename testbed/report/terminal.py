"""A console without mark-up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.segment import Segment

from testbed.errors import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import ConsoleOptions, RenderableType

WIDEST = 400  # characters: no table is wider


class _Plain(Console):
    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield the pieces of what is printed; control characters of a text are shown, and only rich's own are obeyed."""
        for piece in super().render(renderable, options):
            yield piece if piece.control or piece.text.isprintable() else Segment(visible(piece.text), piece.style)

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError: rich would end the process with 1, the exit code of a broken expectation."""
        raise BrokenPipeError


def plain_console(**options: Any) -> Console:
    """Return a console that reads no mark-up in a text and obeys none of its characters: titles and errors are other people's words.

    `options` are those of rich's Console.
    """
    return _Plain(markup=False, highlight=False, emoji=False, **options)


def whole_line_console() -> Console:
    """Return a plain console that folds and cuts no line when the output is no terminal: grep finds whole lines in a pipe.

    A width that is given as COLUMNS is kept.
    """
    console = plain_console(stderr=False)
    if not (console.is_terminal or os.environ.get("COLUMNS", "").isdigit()):
        console.width = WIDEST
    return console
