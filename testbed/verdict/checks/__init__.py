"""Checks: what a journal must show. One check, one file, one word.

`health_green = true` in an expectation is `health_green.py` in this directory, function `check(journal, figures, expected)`. A
check is a pure function; its verdict is `held`, `broken`, or `unknown` where the journal does not show it. `nothing.py` is the
do-nothing twin. Those in ALWAYS run on every journal: they check whether the replay itself can be believed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from testbed.registry import load_function, words_in

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures
    from testbed.verdict.finding import Finding

ALWAYS = ("complete", "consistent", "monitored", "counted", "timeline", "services", "resources", "open_loop", "steady_before", "healed")
CONDITION_NOT_SEEN = "condition_not_seen"  # all that is missing of the timeline are restarts that waited for what did not happen


class Check(Protocol):
    """Judges one aspect of a journal; may raise, which counts as `unknown`."""

    def __call__(self, journal: Journal, figures: Figures, expected: Any) -> Finding:
        """Return the finding; `figures` are the journal's, `expected` is the expectation's value (None for the checks in ALWAYS)."""


def names() -> tuple[str, ...]:
    """Return the word of every check."""
    return words_in(__path__)


def load(name: str) -> Check:
    """Return a check; raises KeyError if there is none of that name, and WordError if its file is wrong."""
    check: Check = load_function(__name__, __path__, name, "check")
    return check
