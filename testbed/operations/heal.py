"""Healing by hand: a fault that goes on is undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import FacilityError

if TYPE_CHECKING:
    from testbed.replay.actions import Actions


@dataclass(frozen=True, slots=True)
class Heal:
    """Undoes the fault that `of` names, wherever it is active, or every one that is.

    What waited because of it can go on; what was lost by it stays lost. A fault that nobody heals is undone when the night is over.
    """

    of: str | None = None

    async def perform(self, actions: Actions) -> str:
        """Undo it, the last one first."""
        chosen = [one for one in reversed(actions.facility.active) if self.of in (None, one.word)]
        if not chosen:
            raise FacilityError(f"{self.of or 'no fault'} is not active, so there is nothing to heal")
        return "; ".join([await actions.heal(one) for one in chosen])
