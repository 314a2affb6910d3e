"""What a facility in containers lacked, in the words of what its containers printed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.journal.events import Shortage
from testbed.journal.shortages import shortages_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.events import Now
    from testbed.runtime.containers.runtime import Containers


@dataclass(frozen=True, slots=True)
class ContainerShortages:
    """Reads what the containers of `services` printed since this was made, once: the engine takes its time to answer."""

    runtime: Containers
    services: tuple[str, ...]
    since_s: int = field(default_factory=lambda: int(time.time()))
    every_s: float | None = None

    async def look(self, now: Now) -> Sequence[Shortage]:
        """Read what each container printed."""
        texts = await asyncio.gather(*(asyncio.to_thread(self.runtime.printed_since, name, self.since_s) for name in self.services))
        t_s, night_s = now()
        return [
            Shortage(t_s=t_s, night_s=night_s, of=name, resource=resource, lines=len(lines), line=lines[0])
            for name, text in zip(self.services, texts, strict=True)
            for resource, lines in shortages_in(text).items()
        ]
