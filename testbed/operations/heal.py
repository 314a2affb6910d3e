"""Healing by an operator: an active fault is undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import FacilityError

if TYPE_CHECKING:
    from testbed.replay.actions import Actions


@dataclass(frozen=True, slots=True)
class Heal:
    """Heals the active faults with the word `of`; without it, all of them.

    What waited because of it can go on; what was lost by it stays lost. Faults still active at the end of the night are healed then.
    """

    of: str | None = None

    async def perform(self, actions: Actions) -> str:
        """Heal the chosen faults, newest first; raises FacilityError when none is active, nor over without a healing."""
        chosen = [active for active in reversed(actions.facility.active) if self.of in (None, active.word)]
        over = [f"{word}: {reason}" for word, reason in actions.facility.over.items() if self.of in (None, word)]
        if not chosen and over:
            return f"nothing is left to heal: {'; '.join(over)}"
        if not chosen:
            raise FacilityError(f"{self.of or 'no fault'} is not active, so there is nothing to heal")
        return "; ".join([await actions.heal(active) for active in chosen])
