"""The connection is reset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class ResetPeer:
    """Resets the connection (TCP RST) `timeout` milliseconds after the first data on it, or its end; 0: at once.

    That data, and what arrives meanwhile, is dropped.
    """

    timeout: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Wait for data or the end, then for the time, then reset both sides."""
        await stage.input.wait_arrival()
        if not await stage.input.wait_interrupt(self.timeout / 1000):
            stage.reset()
