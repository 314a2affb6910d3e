"""Nothing gets through, and nothing is lost. Our own: Toxiproxy has none such."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class Silence:
    """Holds every byte and the end of the stream, until it is removed: then all of it goes on, in order, and nothing is closed.

    It hoards nothing: when a few chunks are held, no more is read, and the sender's own buffers fill.
    """

    async def pipe(self, stage: Stage) -> None:
        """Take nothing from what has come, until interrupted: what is here is handed over then."""
        await stage.input.wait_interrupt(None)
