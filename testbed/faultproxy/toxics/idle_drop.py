"""A connection that was idle for too long is forgotten, as by a firewall (A7). Our own; Toxiproxy has no such toxic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class IdleDrop:
    """Forgets a connection when no byte has passed in either direction for `timeout` milliseconds.

    From then on everything sent over it is silently dropped, both ways: no byte arrives, no end and no reset, and the connection stays
    open on both sides. On either stream it works on both. A forgotten connection stays forgotten when the toxic is removed, as an entry
    that a firewall's table has lost does not come back. What it cannot show: a proxy does not see the kernel's keep-alive packets, so
    they keep no connection alive here, as they would at a firewall.
    """

    timeout: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Pass everything on; meanwhile the limit holds, and the link checks with every byte how long the connection was idle."""
        activity = stage.owner.activity
        activity.set_limit(stage, self.timeout / 1000)
        try:
            await stage.pass_on()
        finally:
            activity.set_limit(stage, None)
