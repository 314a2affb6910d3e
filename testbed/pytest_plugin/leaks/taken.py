"""A connection that is out of its pool, and the stack of who took it."""

from __future__ import annotations

import sys
import threading
import traceback
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# Whose frames say nothing about who took a connection: between that and us, and on an event loop. What calls a test says nothing either.
NOT_THEIRS = ("sqlalchemy", "psycopg_pool", "psycopg2", "asyncpg", "asyncio", "pytest_asyncio", "anyio", "threading", "contextlib")
BELOW_A_TEST = ("_pytest", "pluggy")
OURS = Path(__file__).parent
MOST_FRAMES = 6


@dataclass(frozen=True, slots=True)
class Taken:
    """A connection that is out: the thread that took it, and where, the innermost place last. `connection` is kept so that its id is."""

    connection: object
    thread: str
    places: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([f"  taken in the thread {self.thread}:", *(f"    {place}" for place in self.places)])


def take(connection: object) -> Taken:
    """Return who takes a connection now."""
    above = takewhile(lambda found: _package(found[0]) not in BELOW_A_TEST, _frames())
    places = [_place(frame, line) for frame, line in above if _is_theirs(frame)]
    return Taken(connection, threading.current_thread().name, tuple(reversed(places[:MOST_FRAMES])))


def _frames() -> Iterator[tuple[FrameType, int]]:
    """Yield the frames that called us and their lines, the innermost first, also past a greenlet: SQLAlchemy's asyncio runs in one."""
    yield from traceback.walk_stack(sys._getframe(1))  # noqa: SLF001 - the documented way to a frame
    greenlet = sys.modules.get("greenlet")
    above = None if greenlet is None else greenlet.getcurrent().parent
    while above is not None:
        if above.gr_frame is not None:
            yield from traceback.walk_stack(above.gr_frame)
        above = above.parent


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _is_theirs(frame: FrameType) -> bool:
    return _package(frame) not in NOT_THEIRS and OURS not in Path(frame.f_code.co_filename).parents


def _place(frame: FrameType, line: int) -> str:
    return f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_name}"
