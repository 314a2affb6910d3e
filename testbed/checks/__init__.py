"""Checks: what a journal must show. One check, one file, one word.

`health_green = true` in an expectation is `health_green.py` in this directory, function `check(journal, figures, expected)`. A
check is a pure function; it gives `held`, `broken`, or `unknown` where the journal does not tell. `nothing.py` is the
do-nothing twin. Those in ALWAYS are made of every journal: they ask whether the replay itself can be believed.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from testbed.words import words_in

if TYPE_CHECKING:
    from testbed.figures import Figures
    from testbed.journal import Journal

ALWAYS = ("complete", "timeline", "services", "open_loop", "steady_before", "healed")


CONDITION_NOT_SEEN = "condition_not_seen"  # a step of the timeline waited for something that did not happen


class Verdict(StrEnum):
    """Whether the expectation held. The worst wins: `broken`, then `unknown`, then `held`."""

    HELD = "held"
    UNKNOWN = "unknown"
    BROKEN = "broken"

    @property
    def rank(self) -> int:
        """Its place from best to worst."""
        return list(Verdict).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: its name, its verdict, a line with numbers and names, and the facts it speaks of.

    `code` names what was found for programs, where the verdict does not say it. `traceback`: of a check that itself failed.
    """

    check: str
    verdict: Verdict
    text: str
    facts: tuple[str, ...] = ()
    code: str = ""
    traceback: str = ""


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


def held_if(good: bool) -> Verdict:  # noqa: FBT001 - the one thing it is about
    """Give `held` or `broken`."""
    return Verdict.HELD if good else Verdict.BROKEN
