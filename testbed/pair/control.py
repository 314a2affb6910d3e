"""What both faces of a pair have in common: its event loop, the pair on it, and which of its faults were asked for and not used."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from testbed.errors import FacilityError
from testbed.pair.kept_events import KeptEvents
from testbed.pair.loop_thread import LoopThread
from testbed.pair.running import RunningPair, running

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

    from testbed.pair.running import Data

Result = TypeVar("Result")
MAX_CONNECTIONS = 100
POSTGRES = "TESTBED_POSTGRES"


@dataclass(slots=True)
class Control:
    """A pair on an event loop of its own.

    `events`: what was done to it; they can be read when it is closed, too: the last test may fail only then. `unused`: what was asked for
    and is not entered yet. A fault without its `with` would do nothing, and its test would be green.
    """

    loop: LoopThread
    context: AbstractAsyncContextManager[RunningPair]
    events: KeptEvents
    pair: RunningPair | None = None
    unused: dict[int, str] = field(default_factory=dict)

    def start(self) -> None:
        """Start the pair; raises FacilityError, which says what is missing."""
        self.loop.run(self._start)

    async def start_async(self) -> None:
        """Do the same from another event loop."""
        await self.loop.run_async(self._start)

    async def _start(self) -> None:
        self.pair = await self.context.__aenter__()

    def run(self, work: Callable[[RunningPair], Coroutine[Any, Any, Result]]) -> Result:
        """Do something with the pair, and wait until it is done."""
        pair = self.require()
        return self.loop.run(lambda: work(pair))

    async def run_async(self, work: Callable[[RunningPair], Coroutine[Any, Any, Result]]) -> Result:
        """Do the same from another event loop."""
        pair = self.require()
        return await self.loop.run_async(lambda: work(pair))

    def require(self) -> RunningPair:
        """Return the pair; raises FacilityError when it was closed."""
        if self.pair is None:
            raise FacilityError("this database pair was closed; its faults and its address are gone")
        return self.pair

    def close(self) -> None:
        """End the pair, if it was started, and its event loop."""
        try:
            if self.pair is not None:
                self.loop.run(self._close)
        finally:
            self.loop.close()

    async def close_async(self) -> None:
        """Do the same from another event loop."""
        await asyncio.to_thread(self.close)

    async def _close(self) -> None:
        self.pair = None
        await self.context.__aexit__(None, None, None)


def new_control(data: Data, max_connections: int, postgres: str | None) -> Control:
    """Return a pair that is not started yet; `postgres` as in `--postgres`, or by TESTBED_POSTGRES."""
    events = KeptEvents()
    return Control(LoopThread(), running(data, max_connections, postgres or os.environ.get(POSTGRES), events), events)
