"""Every chunk comes late."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from testbed.faultproxy.stream import Chunk

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class Latency:
    """Delays each chunk by `latency` milliseconds, plus or minus up to `jitter` milliseconds, from when it was received."""

    latency: int = 0
    jitter: int = 0
    room_chunks: ClassVar[int] = 1024  # a long latency is not a narrow bandwidth: so many may be in transit

    async def pipe(self, stage: Stage) -> None:
        """Hold each chunk until it is due; chunks received together leave together."""
        jitter = max(0, self.jitter)
        while True:
            chunk = await stage.input.get()
            delay_s = max(0.0, self.latency + random.uniform(-jitter, jitter)) / 1000  # noqa: S311 - no secret depends on it
            due_s = chunk.received_s + delay_s
            if not await stage.input.wait_interrupt(due_s - stage.now_s()):
                chunk = Chunk(chunk.data, due_s)  # a second latency counts from then, so that two add up
            await stage.send(chunk)  # interrupted or not: a chunk is never lost
