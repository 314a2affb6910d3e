"""Faults: what can be done to a facility. One fault, one file, one word.

`fault = "switchover"` in a scenario is `switchover.py` in this directory, class `Switchover`: a frozen dataclass
whose fields are the parameters that the scenario may give. `inject` is all it must have; `heal` only where the fault
can be undone, `over` only where what it is done to may be replaced. `nothing.py` is the do-nothing twin, and the guide to writing another.

A fault verifies that it took effect: a step of `inject` probes for the effect from where it is felt, and fails when there
is none, so that the scenario is `unknown`. A field called `link` is the name of a link of the facility.

May import errors, concurrency, registry, plan, journal, facility and replay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.registry import load_word, words_in

if TYPE_CHECKING:
    from testbed.replay.actions import Fault


def names() -> tuple[str, ...]:
    """Return the words for faults that a scenario may use."""
    return words_in(__path__)


def load(name: str) -> type[Fault]:
    """Return the class of a fault by its word; raises KeyError when there is none, and WordError when its file is wrong."""
    fault: type[Fault] = load_word(__name__, __path__, name, "inject", twin="NoFault")
    return fault
