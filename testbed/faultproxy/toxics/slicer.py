"""Data comes in small pieces."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.link import Stage


@dataclass(frozen=True, slots=True)
class Slicer:
    """Cuts data into pieces of `average_size` bytes, give or take `size_variation`, and sends them `delay` microseconds apart."""

    average_size: int = 0
    size_variation: int = 0
    delay: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Send each chunk piece by piece; the rest of one goes out whole when the toxic is removed."""
        while True:
            rest = await stage.input.get()
            interrupted = False
            while len(rest.data) > self._at_most() and not interrupted:
                piece, rest = stage.split(rest, self._size())
                await stage.send(piece)
                interrupted = await stage.input.wait_interrupt(self.delay / 1_000_000)
            await stage.send(rest)

    def _at_most(self) -> int:
        return max(1, self.average_size + self.size_variation) if self.average_size else 1 << 62

    def _size(self) -> int:
        return max(1, self.average_size + random.randint(-self.size_variation, self.size_variation))  # noqa: S311 - no secret
