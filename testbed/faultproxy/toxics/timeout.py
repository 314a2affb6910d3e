"""Nothing gets through, and after a while the connection is closed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class Timeout:
    """Drops all data, and closes the connection when none has arrived for `timeout` milliseconds; 0: it stays open.

    The end of the stream passes: a sender that gives up ends the connection.
    """

    timeout: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Drop what arrives, then close."""
        while True:
            try:
                async with asyncio.timeout(self.timeout / 1000 if self.timeout > 0 else None):
                    await stage.input.get()
            except TimeoutError:
                stage.close()
                return

    def removed(self, stage: Stage) -> None:
        """Close the connection: dropped data cannot be restored, so the connection must not continue without it."""
        stage.close()
