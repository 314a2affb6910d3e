"""The first connections are reset when they are made. Our own; Toxiproxy has no such toxic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class RefuseFirst:
    """Resets the first `connections` connections that are made after the toxic was added; later connections are served.

    A client is connected before it is reset: the kernel accepts before the proxy can decide. It works the same on either stream,
    and spares those that its toxicity spares.
    """

    connections: int = 0

    def refuses(self, number: int) -> bool:
        """Return whether a connection is to be reset; `number` counts those made since the toxic was added, from 1."""
        return number <= self.connections

    async def pipe(self, stage: Stage) -> None:
        """Pass everything on."""
        await stage.pass_on()
