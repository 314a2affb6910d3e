"""Operations: what an operator does to a facility by hand. One operation, one file, one word.

`operation = "restart"` in a scenario is `restart.py` in this directory, class `Restart`: a frozen dataclass whose
fields are the parameters that the scenario may give. `nothing.py` is the do-nothing twin.

May import errors, registry, journal and replay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.registry import load_word, words_in

if TYPE_CHECKING:
    from testbed.replay.actions import Operation


def names() -> tuple[str, ...]:
    """Return the words for operations that a scenario may use."""
    return words_in(__path__)


def load(name: str) -> type[Operation]:
    """Return the class of an operation by its word; raises KeyError when there is none, and WordError when its file is wrong."""
    operation: type[Operation] = load_word(__name__, __path__, name, "perform", twin="NoOperation")
    return operation
