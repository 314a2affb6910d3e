"""The connection is cut at a certain age. Our own; Toxiproxy has no such toxic."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Cuts a connection `lifetime` milliseconds after it was made, whatever passes over it: by FIN, or by RST with `reset` 1.

    A connection that is already older is cut at once.
    """

    lifetime: int = 0
    reset: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Pass everything on; a timer cuts the connection, so that a receiver that does not read cannot delay it."""
        loop = asyncio.get_running_loop()
        age_s = loop.time() - stage.owner.activity.began_s
        timer = loop.call_later(max(0.0, self.lifetime / 1000 - age_s), stage.reset if self.reset else stage.cut)
        try:
            await stage.pass_on()
        finally:
            timer.cancel()
