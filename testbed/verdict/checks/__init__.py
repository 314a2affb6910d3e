"""Checks: what a journal must show. One check, one file, one word.

`health_green = true` in an expectation is `health_green.py` in this directory, function `check(journal, figures, expected)`. A
check is a pure function; it gives `held`, `broken`, or `unknown` where the journal does not tell. `nothing.py` is the
do-nothing twin. Those in ALWAYS are made of every journal: they ask whether the replay itself can be believed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

from testbed.registry import words_in

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures
    from testbed.verdict.finding import Finding


ALWAYS = ("complete", "timeline", "services", "open_loop", "steady_before", "healed")


CONDITION_NOT_SEEN = "condition_not_seen"  # a step of the timeline waited for something that did not happen


class Check(Protocol):
    """Looks at a journal; may raise, which counts as `unknown`."""

    def __call__(self, journal: Journal, figures: Figures, expected: Any) -> Finding:
        """Return the finding; `figures` are the journal's, `expected` is the expectation's value (None for the checks in ALWAYS)."""


def names() -> tuple[str, ...]:
    """Give every check by its word."""
    return words_in(__path__)


def load(name: str) -> Check:
    """Give a check; raises KeyError when there is none of that name."""
    if name not in names():
        raise KeyError(name)
    check: Check = importlib.import_module(f"{__name__}.{name}").check
    return check
