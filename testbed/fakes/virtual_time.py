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
    """Goes by a clock of its own, which begins at 0 and moves only while everything waits.

    Order and times are those of the real loop, without its delays. The world outside has no part in that clock: what waits for a
    thread, a socket or another process may see it jump ahead meanwhile. When all that is left waits for the outside, WaitError is raised.
    """

    def __init__(self) -> None:
        self._time_s = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Give the virtual time, in seconds."""
        return self._time_s

    def jump(self, seconds: float) -> None:
        """Move the clock."""
        self._time_s += seconds


class _Jumping(selectors.DefaultSelector):
    """A selector that never blocks: it moves the loop's clock in place of waiting."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Give what is ready; otherwise jump by the time that there is until the next timer."""
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise WaitError("nothing is due in virtual time any more: every task waits for what will never come")
            self._loop.jump(timeout)
        return ready


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in virtual time, as `asyncio.run` does in real time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
