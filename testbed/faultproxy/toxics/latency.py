"""Every chunk comes late."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.link import Stage


@dataclass(frozen=True, slots=True)
class Latency:
    """Delays each chunk by `latency` milliseconds, give or take up to `jitter` milliseconds, from when it was received."""

    latency: int = 0
    jitter: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Hold each chunk until it is due; chunks that came together leave together."""
        while True:
            chunk = await stage.input.get()
            delay_s = (self.latency + random.uniform(-self.jitter, self.jitter)) / 1000  # noqa: S311 - no secret depends on it
            await stage.input.wait_interrupt(max(0.0, chunk.received_s + delay_s - stage.now_s()))
            await stage.send(chunk)  # interrupted or not: a chunk in hand is never lost
