"""Data arrives in small pieces."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class Slicer:
    """Cuts data into pieces of `average_size` bytes, plus or minus `size_variation`, and waits `delay` microseconds after each.

    Without an `average_size` nothing is cut, where Toxiproxy itself would fail.
    """

    average_size: int = 0
    size_variation: int = 0
    delay: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Send each chunk piece by piece; its rest is sent whole when the toxic is changed or removed."""
        while True:
            rest = await stage.input.get()
            interrupted = False
            while rest.data:
                piece, rest = stage.split(rest, len(rest.data) if interrupted else self._size(len(rest.data)))
                await stage.send(piece)
                interrupted = interrupted or await stage.input.wait_interrupt(self.delay / 1_000_000)

    def _size(self, all_bytes: int) -> int:
        variation = max(0, self.size_variation)
        if self.average_size <= 0 or all_bytes <= self.average_size + variation:
            return all_bytes
        return max(1, self.average_size + random.randint(-variation, variation))  # noqa: S311 - no secret depends on it
