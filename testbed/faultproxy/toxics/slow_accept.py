"""Connections are accepted slowly, and few may wait for it (A4). Our own; Toxiproxy has no such toxic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.faultproxy.stage import Pace

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class SlowAccept:
    """Accepts one connection every `interval` milliseconds, while `queue` others and one more may wait in the kernel.

    Who waits there is connected, as far as it can tell. Past the queue the kernel drops attempts to connect, and clients try again after
    one second, three, seven and so on. It is the listener's, so it works the same on either stream, and toxicity spares nobody. Without an
    `interval` it changes nothing. What passes over a connection that was accepted is as ever.
    """

    interval: int = 0
    queue: int = 0

    def pace(self) -> Pace | None:
        """Return how fast connections are accepted."""
        return Pace(self.interval / 1000, self.queue) if self.interval else None

    async def pipe(self, stage: Stage) -> None:
        """Pass everything on."""
        await stage.pass_on()
