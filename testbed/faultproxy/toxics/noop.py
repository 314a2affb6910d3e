"""The do-nothing toxic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class Noop:
    """Passes every chunk on as it is."""

    async def pipe(self, stage: Stage) -> None:
        """Receive and send."""
        while True:
            await stage.send(await stage.input.get())
