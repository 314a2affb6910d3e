"""The do-nothing fault, for the control run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.replay.actions import Actions


@dataclass(frozen=True, slots=True)
class NoFault:
    """Does nothing, so that what happens all the same has another cause."""

    async def inject(self, actions: Actions) -> str:  # noqa: ARG002 - the protocol's signature
        """Do nothing."""
        return "nothing was done"
