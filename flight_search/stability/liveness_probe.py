"""Liveness probe: a server whose health check has not been green for too long is replaced, as an orchestrator restarts one.

What it does depends on what the health check asks (`health_check.py`). One that asks nothing but the process never has a reason to
replace a server whose threads all hang; one that asks the database replaces every server when the database is slow, again and again, and
with each the calls that would have been answered late. `let_it_crash.py` has its own eyes instead, and the same means.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PROBE_EVERY_S = 0.1


@dataclass(slots=True)
class RedHealth:
    """Asks a health check again and again, one at a time; for the watchdog of `let_it_crash.py`."""

    not_ready: Callable[[], Awaitable[str | None]]
    clock: Callable[[], float] = time.monotonic
    detail: str = "no answer yet"
    _green_s: float | None = field(default=None)

    def sample(self) -> float:
        """Return for how many seconds the health check has not been green, 0 before it is asked for the first time."""
        return 0.0 if self._green_s is None else self.clock() - self._green_s

    def reason(self, red_s: float) -> str:
        """Return in words why the server is replaced."""
        return f"the health check has not been green for {red_s:.2f} s ({self.detail})"

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask until the context ends."""
        task = asyncio.get_running_loop().create_task(self._ask_for_ever())
        try:
            yield
        finally:
            task.cancel()

    async def _ask_for_ever(self) -> None:
        self._green_s = self.clock()  # a server that has just started is green until it is asked
        while True:
            detail = await self.not_ready()  # it may hang: then it stays red
            if detail is None:
                self._green_s, self.detail = self.clock(), "no answer yet"
            else:
                self.detail = detail
            await asyncio.sleep(PROBE_EVERY_S)
