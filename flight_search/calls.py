"""Where a connection was checked out, and where an error came from: the calls of this package on a stack.

Kept as code and line, and formatted only when somebody asks: a checkout must not become slower by it. No frame is kept, because a frame
keeps every local variable alive.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType, FrameType, TracebackType

Call = tuple["CodeType", int]  # a function's code, and the line at which it stands

_HERE = Path(__file__).parent
_PACKAGE = f"{_HERE}/"


def current(beyond: str) -> tuple[Call, ...]:
    """Return the calls of this package that led here, the innermost first; those in the file `beyond`, and within it, are left out."""
    return tuple(call for call in _walk(sys._getframe(1)) if call[0].co_filename != beyond)  # noqa: SLF001 - CPython's documented way


def of(error: BaseException) -> tuple[Call, ...]:
    """Return the calls of this package in an error's traceback, the innermost first."""
    return tuple(_walk_down(error.__traceback__))[::-1]


def formatted(calls: tuple[Call, ...]) -> list[str]:
    """Format calls as `lookup/original.py:18 lookup_by_city`, by paths within this package."""
    return [f"{_path(code)}:{line} {code.co_name}" for code, line in calls]


def sources(calls: Iterable[Call]) -> list[dict[str, object]]:
    """Return each function of these calls once, as it stands in its file, with the number of its first line."""
    return [_source(code) for code in dict.fromkeys(code for code, _ in calls)]


def _source(code: CodeType) -> dict[str, object]:
    try:
        lines, first = inspect.getsourcelines(code)
    except OSError:  # the file is gone
        lines, first = [], code.co_firstlineno
    return {"file": _path(code), "function": code.co_name, "first_line": first, "text": "".join(lines)}


def _path(code: CodeType) -> str:
    return Path(code.co_filename).relative_to(_HERE).as_posix()


def _walk(frame: FrameType | None) -> Iterator[Call]:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_PACKAGE):
            yield frame.f_code, frame.f_lineno
        frame = frame.f_back


def _walk_down(trace: TracebackType | None) -> Iterator[Call]:
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            yield trace.tb_frame.f_code, trace.tb_lineno
        trace = trace.tb_next
