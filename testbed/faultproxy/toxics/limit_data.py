"""The connection ends after a number of bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.faultproxy.stage import Stage


@dataclass(frozen=True, slots=True)
class LimitData:
    """Closes the connection when `bytes` bytes have passed, counted for each connection, also across changes of the toxic.

    If `bytes` is 0, or has passed already, the next byte closes the connection.
    """

    bytes: int = 0

    async def pipe(self, stage: Stage) -> None:
        """Count, pass on what is allowed, then close."""
        while True:
            chunk = await stage.input.get()
            left = max(0, self.bytes - stage.passed_bytes)
            allowed, _ = stage.split(chunk, left)
            stage.passed_bytes += len(allowed.data)
            if allowed.data:
                await stage.send(allowed)
            if len(chunk.data) >= left:
                stage.close()
                return
