"""The connection is cut at a certain age. Our own: Toxiproxy has none such."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Cuts a connection `lifetime` milliseconds after it was made, whatever goes over it: by its end (FIN), or by RST with `reset`.

    One that is older already is cut at once.
    """

    lifetime: int = 0
    reset: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Pass everything on; a timer cuts, because a receiver that does not read must not put that off."""
        loop = asyncio.get_running_loop()
        age_s = loop.time() - stage.owner.activity.began_s
        cutting = loop.call_later(max(0.0, self.lifetime / 1000 - age_s), stage.reset if self.reset else stage.cut)
        try:
            await stage.pass_on()
        finally:
            cutting.cancel()
