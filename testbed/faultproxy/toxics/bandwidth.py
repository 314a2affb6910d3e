"""The number of bytes a second is limited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.faultproxy.stream import CHUNK_BYTES, ROOM_CHUNKS

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


PIECE_S = 0.1  # a large chunk leaves in pieces, so that its receiver sees a rate and not a pause
BYTES_PER_KILOBYTE = 1000
AHEAD_S = 0.2  # on a busy machine a process waits a few hundredths of a second for a processor
MAX_CHUNKS = 1024


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Passes `rate` kilobytes (1,000 bytes) a second; 0: nothing, until the toxic is changed or removed."""

    rate: int = 0

    @property
    def room_chunks(self) -> int:
        """How many chunks may wait here: enough that a proxy which reads late, on a busy machine, does not send late."""
        return min(MAX_CHUNKS, max(ROOM_CHUNKS, int(self.rate * BYTES_PER_KILOBYTE * AHEAD_S / CHUNK_BYTES)))

    async def pipe(self, stage: Stage) -> None:
        """Send each piece when the time of the bytes before it has passed."""
        rate = self.rate * BYTES_PER_KILOBYTE
        free_s = stage.now_s()
        while True:
            if rate <= 0:
                await stage.input.wait_arrival()
                if not stage.input.empty:
                    await stage.input.wait_interrupt(None)
            chunk = await stage.input.get()
            free_s = max(free_s, chunk.received_s)
            for piece in stage.pieces(chunk, int(rate * PIECE_S)):
                free_s += len(piece.data) / rate
                await stage.input.wait_interrupt(free_s - stage.now_s())
                await stage.send(piece)  # interrupted or not: a piece is never lost
