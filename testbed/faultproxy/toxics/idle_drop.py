"""A connection that was idle for too long is forgotten, as by a firewall (A7). Our own: Toxiproxy has none such."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class IdleDrop:
    """Forgets a connection over which no byte has gone, in either direction, for `timeout` milliseconds.

    From then on whatever is sent over it is dropped, both ways and without a word: no byte arrives, no end and no reset, and the connection
    is left open on both sides. Put on either stream it works on both. A forgotten connection stays so when the toxic is removed, as an
    entry that a firewall's table has lost does not come back. What it cannot show: a proxy does not see the kernel's keep-alive packets,
    so they keep no connection alive here, as they would at a firewall.
    """

    timeout: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Pass everything on; the limit holds meanwhile, and the link asks at each byte how long it was idle."""
        activity = stage.owner.activity
        activity.idle_limit_s = self.timeout / 1000
        try:
            await stage.pass_on()
        finally:
            activity.idle_limit_s = None
