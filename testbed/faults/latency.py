"""Every answer on a link comes late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

if TYPE_CHECKING:
    from testbed.act import Actions

Milliseconds = Annotated[int, Field(ge=0, le=600_000)]


@dataclass(frozen=True, slots=True)
class Latency:
    """Delays what comes down the link from the database by `latency_ms`, give or take `jitter_ms`, both in milliseconds.

    Done by the fault proxy's toxic of the same name; it stays for the rest of the replay.
    """

    latency_ms: Milliseconds
    jitter_ms: Milliseconds = 0
    link: Literal["database"] = "database"

    async def inject(self, actions: Actions) -> str:
        """Put the toxic on the link."""
        async with actions.step(1, f"delay the link to the {self.link} by {self.latency_ms} ms"):
            await actions.facility.virtual_ip.add_toxic("latency", {"latency": self.latency_ms, "jitter": self.jitter_ms})
        return f"{self.latency_ms} ms, give or take {self.jitter_ms} ms, on every answer from the {self.link}"
