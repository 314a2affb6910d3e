"""The end of a connection comes late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.faultproxy.stream import StreamEnded

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class SlowClose:
    """Delays the close of the connection by `delay` milliseconds; data passes at once."""

    delay: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Pass chunks on, and delay the end."""
        while True:
            try:
                chunk = await stage.input.get()
            except StreamEnded:
                if await stage.input.wait_interrupt(self.delay / 1000):
                    return  # the next toxic in this place receives the end again
                raise
            await stage.send(chunk)
