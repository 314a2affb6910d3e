"""An event loop in which waiting takes no time: when nothing is ready, its clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

from testbed.errors import WaitError

if TYPE_CHECKING:
    from collections.abc import Coroutine

Result = TypeVar("Result")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, which begins at 0 and moves only while every task waits.

    Order and times are those of the real loop, without its delays. Threads, sockets and other processes do not follow this clock: a task
    that waits for one may see it jump ahead. When every task waits for them and no timer is left, WaitError is raised.
    """

    def __init__(self) -> None:
        self._time_s = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._time_s

    def jump(self, seconds: float) -> None:
        """Move the clock forward."""
        self._time_s += seconds


class _Jumping(selectors.DefaultSelector):
    """A selector that never blocks: it moves the loop's clock in place of waiting."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; if nothing is, jump to the next timer, and raise WaitError when there is none."""
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise WaitError("deadlock in virtual time: every task waits, and no timer is left")
            self._loop.jump(timeout)
        return ready


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in virtual time, as `asyncio.run` does in real time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
