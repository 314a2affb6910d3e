"""Watches a pool: which connections are out that were not when the watch began."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

import pytest

from testbed.pytest_plugin.leaks import kinds
from testbed.pytest_plugin.leaks.taken import take

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from testbed.pytest_plugin.leaks.taken import Taken


class LeakWatch(AbstractContextManager["LeakWatch"]):
    """A watch over one pool, from its making until `require_none` or the end of its `with`. Thread-safe.

    What was out before it began is nobody's leak here.
    """

    def __init__(self, pool: object) -> None:
        self.name = kinds.name_of(pool)
        self._out: dict[int, Taken] = {}
        self._lock = threading.Lock()
        self._watching = ExitStack()
        self._watching.callback(kinds.watch(pool, self._taken, self._given))

    def _taken(self, key: object) -> None:
        taken = take(key)
        with self._lock:
            self._out[id(key)] = taken

    def _given(self, key: object) -> None:
        with self._lock:
            self._out.pop(id(key), None)

    @property
    def out(self) -> tuple[Taken, ...]:
        """The connections that are out now, the oldest first."""
        with self._lock:
            return tuple(taken for taken in self._out.values() if not kinds.is_gone(taken.connection))

    def text(self) -> str:
        """Format what is out, with the stack of who took each; an empty text when nothing is."""
        out = self.out
        if not out:
            return ""
        many = "1 connection was" if len(out) == 1 else f"{len(out)} connections were"
        return "\n".join([f"{many} taken from {self.name} and not given back:", *map(str, out)])

    def end(self) -> None:
        """Watch no more; what is out stays known."""
        self._watching.close()

    def require_none(self) -> None:
        """End the watch; fail the test, with the stack of who took each, when a connection is out."""
        self.end()
        text = self.text()
        self._out.clear()  # told once
        if text:
            pytest.fail(text, pytrace=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.require_none()
            return
        self.end()
        text = self.text()
        self._out.clear()
        if text:
            error.add_note(text)  # the block's own error is what the test fails by
