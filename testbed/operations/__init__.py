"""Operations: what an operator does to a facility by hand. One operation, one file, one word.

`operation = "restart"` in a scenario is `restart.py` in this directory, class `Restart`: a frozen dataclass whose
fields are the parameters that the scenario may give. `nothing.py` is the do-nothing twin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from testbed.scenario import PlannedAction
from testbed.words import load_word, words_in

if TYPE_CHECKING:
    from testbed.act import Actions


@runtime_checkable
class Operation(PlannedAction, Protocol):
    """Something an operator does. Every step of it goes into the journal through `actions.step`."""

    async def perform(self, actions: Actions) -> str:
        """Do it and return a line that says what was done; raises FacilityError when it could not be done."""


def names() -> tuple[str, ...]:
    """Give the words for operations that a scenario may use."""
    return words_in(__path__)


def load(name: str) -> type[Operation]:
    """Give the class of an operation by its word; raises KeyError when there is none."""
    operation: type[Operation] = load_word(__name__, __path__, name)
    return operation
