"""The connection ends after so many bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.link import Stage


@dataclass(frozen=True, slots=True)
class LimitData:
    """Closes the connection when `bytes` bytes have passed, counted on each connection, also across a change of the toxic."""

    bytes: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Count, pass on what is allowed, then close."""
        while True:
            if stage.passed_bytes >= self.bytes:
                stage.close()
                return
            chunk = await stage.input.get()
            left = self.bytes - stage.passed_bytes
            await stage.send(chunk if len(chunk.data) <= left else stage.split(chunk, left)[0])
