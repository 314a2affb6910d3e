"""Nothing gets through, and after a while the connection is closed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class Timeout:
    """Throws all data away and closes the connection when none has come for `timeout` milliseconds; 0: it is never closed for that.

    The end of the stream passes: a sender that gives up takes the connection with it.
    """

    timeout: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Throw away what comes, then close."""
        while True:
            try:
                async with asyncio.timeout(self.timeout / 1000 if self.timeout > 0 else None):
                    await stage.input.get()
            except TimeoutError:
                stage.close()
                return

    def removed(self, stage: Stage) -> None:
        """Close the connection: what was thrown away cannot be given back, so it must not go on as if nothing had been."""
        stage.close()
