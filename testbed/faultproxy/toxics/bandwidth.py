"""Only so many bytes a second get through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.faultproxy.stream import CHUNK_BYTES, ROOM_CHUNKS

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


PIECE_S = 0.1  # a large chunk leaves in pieces, so that the rate is seen as a rate and not as a pause
BYTES_PER_KILOBYTE = 1000
AHEAD_S = 0.2  # a process that wants the processor waits a few hundredths of a second for it where it is busy
MOST_CHUNKS = 1024


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Lets `rate` kilobytes (1,000 bytes) a second through; 0: none at all, until the toxic is changed or removed."""

    rate: int = 0

    @property
    def room_chunks(self) -> int:
        """Let so much wait here that a proxy that is late to read, because others have the processor, is not late to send."""
        return min(MOST_CHUNKS, max(ROOM_CHUNKS, int(self.rate * BYTES_PER_KILOBYTE * AHEAD_S / CHUNK_BYTES)))

    async def pipe(self, stage: Stage) -> None:
        """Send each piece when the bytes before it have had their time."""
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
                await stage.send(piece)  # interrupted or not: what is in hand is never lost
