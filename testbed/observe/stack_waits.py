"""What a thread waits for, by the calls on its stack: `stack_waits.toml` is the table, and a service may have rows of its own before it."""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from testbed.journal.thread_states import CHECKOUT, DATABASE, HTTP_CONNECTION, IDLE, LOCK, RUNNING, SOCKET

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLE = "stack_waits.toml"
STATES = {
    "pool": CHECKOUT,
    "http_connection": HTTP_CONNECTION,
    "database": DATABASE,
    "socket": SOCKET,
    "lock": LOCK,
    "idle": IDLE,
}
KEPT_STACKS = 4_096  # that are not read again: the dumps of a facility show the same few hundred


@dataclass(frozen=True, slots=True)
class StackRow:
    """A row of the table: patterns that are found in calls, each further in than the one before, and what such a thread waits for.

    `innermost`: the last pattern's call is among so many innermost ones; None: it may be anywhere. `stack`: whose stack it is.
    """

    stack: str
    calls: tuple[re.Pattern[str], ...]
    waits_for: str
    innermost: int | None = None

    def fits(self, calls: Sequence[str]) -> bool:
        """Whether a stack, the outermost call first, is one of this row."""
        place, last = 0, len(self.calls) - 1
        for number, pattern in enumerate(self.calls):
            if number == last and self.innermost is not None:
                place = max(place, len(calls) - self.innermost)
            found = next((at for at in range(place, len(calls)) if pattern.search(calls[at])), None)
            if found is None:
                return False
            place = found + 1
        return True


@dataclass(frozen=True, slots=True)
class StackTable:
    """Rows in their order; `state` is in the words of the journal's `threads` events (`thread_states.py`)."""

    rows: tuple[StackRow, ...]

    def state(self, calls: tuple[str, ...]) -> str:
        """Return what a thread with such calls does, the outermost first; one that no row fits is running."""
        row = next((row for row in self.rows if row.fits(calls)), None)
        return RUNNING if row is None else STATES[row.waits_for]


@functools.cache
def own_table() -> StackTable:
    """Return the testbed's own table, read once."""
    rows = tomllib.loads(files("testbed.observe").joinpath(TABLE).read_text(encoding="utf-8"))["wait"]
    return StackTable(
        tuple(StackRow(row["stack"], tuple(map(re.compile, row["calls"])), row["waits_for"], row.get("innermost")) for row in rows)
    )


@functools.lru_cache(maxsize=KEPT_STACKS)
def own_state(calls: tuple[str, ...]) -> str:
    """Return what a thread does by the testbed's own table."""
    return own_table().state(calls)
