"""Standard output and standard error: what a terminal cannot show is escaped, and what the system refuses of them is named."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = {"stdout": "standard output", "stderr": "standard error"}


class _Named(TextIOWrapper):
    """A stream that is named in its errors, as a file is when it is opened; the system names none that is written."""

    named = ""

    def write(self, text: str) -> int:
        """Write a text; raises OSError with the stream's name."""
        with self._naming():
            return super().write(text)

    def flush(self) -> None:
        """Write what waits; raises OSError with the stream's name."""
        with self._naming():
            super().flush()

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.named) from error


def prepare() -> None:
    """Replace both streams of this process, those that are open, by ones that escape and are named; a test's own stay."""
    for attribute, name in NAMES.items():
        stream = getattr(sys, attribute)
        if type(stream) is not TextIOWrapper:
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
            continue
        encoding, line_buffering, write_through = stream.encoding, stream.line_buffering, stream.write_through
        named = _Named(stream.detach(), encoding, errors="backslashreplace", line_buffering=line_buffering, write_through=write_through)
        named.named = name
        setattr(sys, attribute, named)


def forget_output() -> None:
    """Discard what is still written to standard output: Python would raise BrokenPipeError again at its exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
