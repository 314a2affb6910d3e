"""Nothing gets through, and nothing is lost. Our own; Toxiproxy has no such toxic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class Silence:
    """Holds every byte and the end of the stream until it is removed: then all of it passes, in order, and nothing is closed.

    It holds only a few chunks; then no more is read, and the sender's own buffers fill.
    """

    async def pipe(self, stage: Stage) -> None:
        """Receive nothing until interrupted; the stage then hands on what waits."""
        await stage.input.wait_interrupt(None)
