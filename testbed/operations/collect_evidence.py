"""Evidence that an operator asks for: thread dumps of every service, and what each part of the facility tells of itself (O9, P1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.replay.actions import Actions


@dataclass(frozen=True, slots=True)
class CollectEvidence:
    """Dumps the threads of all services and asks every part, whether or not anything hangs. It changes nothing and stops nothing for long.

    A dump pauses its process for some milliseconds, as every dump does.
    """

    async def perform(self, actions: Actions) -> str:
        """Collect it, as one step."""
        async with actions.step(1, "dump the threads of every service, and ask every part of the facility what it can tell"):
            await actions.collect_evidence("asked")
        return f"evidence of {len(actions.facility.services)} services"
