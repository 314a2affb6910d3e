"""Faults: what can be done to a facility. One fault, one file, one word.

`fault = "switchover"` in a scenario is `switchover.py` in this directory, class `Switchover`: a frozen dataclass
whose fields are the parameters that the scenario may give. `inject` is all it must have; `heal` only where the fault
can be undone. `nothing.py` is the do-nothing twin, and the guide to writing another.

A fault proves that it bit: a step of `inject` looks for its effect from where it is felt, and fails when there is none,
so that the scenario is `unknown`. A field called `link` is the name of a link of the facility.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from testbed.scenario import PlannedAction
from testbed.words import load_word, words_in

if TYPE_CHECKING:
    from testbed.act import Actions


@runtime_checkable
class Fault(PlannedAction, Protocol):
    """Something done to the facility. Every step of it goes into the journal through `actions.step`."""

    async def inject(self, actions: Actions) -> str:
        """Do it and return a line that says what was done; raises FacilityError when it could not be done."""


@runtime_checkable
class Healable(Fault, Protocol):
    """A fault that can be undone, and is: at the latest when the night is over, so that none outlives its scenario."""

    async def heal(self, actions: Actions) -> str:
        """Undo it, see that it is undone, and return a line that says what was seen; raises FacilityError when it could not be."""


def names() -> tuple[str, ...]:
    """Give the words for faults that a scenario may use."""
    return words_in(__path__)


def load(name: str) -> type[Fault]:
    """Give the class of a fault by its word; raises KeyError when there is none."""
    fault: type[Fault] = load_word(__name__, __path__, name)
    return fault
