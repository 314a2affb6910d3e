"""The do-nothing toxic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class Noop:
    """Passes every chunk on unchanged."""

    async def pipe(self, stage: Stage) -> None:
        """Receive and send; StreamEnded and Interrupted pass."""
        while True:
            await stage.send(await stage.input.get())
