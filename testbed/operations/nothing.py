"""The do-nothing operation: an operator who waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.replay.actions import Actions


@dataclass(frozen=True, slots=True)
class NoOperation:
    """Does nothing: whatever recovers has recovered by itself."""

    async def perform(self, actions: Actions) -> str:  # noqa: ARG002 - the protocol's signature
        """Do nothing."""
        return "nothing was done"
