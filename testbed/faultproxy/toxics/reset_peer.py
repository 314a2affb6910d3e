"""The connection is reset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.link import Stage


@dataclass(frozen=True, slots=True)
class ResetPeer:
    """Resets the connection (TCP RST, unsent data thrown away) `timeout` milliseconds after the toxic began; 0: at once."""

    timeout: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Wait, then reset both sides."""
        if not await stage.input.wait_interrupt(self.timeout / 1000):
            stage.reset()
