"""Nothing gets through, and after a while the connection is closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.link import Stage


@dataclass(frozen=True, slots=True)
class Timeout:
    """Throws all data away and closes the connection after `timeout` milliseconds; 0: not before the toxic is removed."""

    timeout: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Throw away what comes, then close."""
        stage.input.discard()
        if not await stage.input.wait_interrupt(self.timeout / 1000 if self.timeout else None):
            stage.close()

    def removed(self, stage: Stage) -> None:
        """Close the connection: what was thrown away cannot be given back, so it must not go on as if nothing had been."""
        stage.close()
