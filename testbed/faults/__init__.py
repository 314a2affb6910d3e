"""Faults: what can be done to a facility. One fault, one file, one word.

`fault = "switchover"` in a scenario is `switchover.py` in this directory, class `Switchover`: a frozen dataclass
whose fields are the parameters that the scenario may give. `inject` is all it must have; `heal` only where the fault
can be undone. `nothing.py` is the do-nothing twin, and the guide to writing another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from testbed.words import load_word, words_in

if TYPE_CHECKING:
    from testbed.act import Actions


class Fault(Protocol):
    """Something done to the facility. Every step of it goes into the journal through `actions.step`."""

    async def inject(self, actions: Actions) -> str:
        """Do it and return a line that says what was done; raises FacilityError when it could not be done."""


def names() -> tuple[str, ...]:
    """Give the words for faults that a scenario may use."""
    return words_in(__path__)


def load(name: str) -> type[Fault]:
    """Give the class of a fault by its word; raises KeyError when there is none."""
    fault: type[Fault] = load_word(__name__, __path__, name)
    return fault
