"""Only so many bytes a second get through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.link import Stage


PIECE_S = 0.1  # a large chunk leaves in pieces, so that the rate is seen as a rate and not as a pause


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Lets `rate` kilobytes (1,000 bytes) a second through; 0: no limit."""

    rate: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Send each piece when the bytes before it have had their time."""
        free_s = stage.now_s()
        while True:
            chunk = await stage.input.get()
            free_s = max(free_s, chunk.received_s)
            for piece in stage.pieces(chunk, max(1, int(self.rate * 1000 * PIECE_S)) if self.rate else len(chunk.data)):
                free_s += len(piece.data) / (self.rate * 1000) if self.rate else 0.0
                await stage.input.wait_interrupt(max(0.0, free_s - stage.now_s()))
                await stage.send(piece)  # interrupted or not: what is in hand is never lost
