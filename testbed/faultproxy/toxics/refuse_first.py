"""The first few connections are reset when they are made. Our own: Toxiproxy has none such."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class RefuseFirst:
    """Resets the first `connections` connections that are made after it was put there; later ones are as any other.

    The client is connected before it is reset: a listener accepts before anybody can ask. Put on either stream it is the same.
    """

    connections: int = 0

    def refuses(self, number: int) -> bool:
        """Tell whether a connection is reset; `number` counts those made since the toxic was put there, from 1."""
        return number <= self.connections

    async def pipe(self, stage: Stage) -> None:
        """Pass everything on."""
        await stage.pass_on()
