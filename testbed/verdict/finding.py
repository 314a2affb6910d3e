"""What a check finds: a verdict, a line of text, and the facts concerned."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    """What a check found: its name, its verdict, a line with numbers and names, and the ids of the facts concerned.

    `code` names what was found for programs, where the verdict does not say it. `traceback`: of a check that itself failed.
    """

    check: str
    verdict: Verdict
    text: str
    facts: tuple[str, ...] = ()
    code: str = ""
    traceback: str = ""


def held_if(good: bool) -> Verdict:  # noqa: FBT001 - the one thing it is about
    """Return `held` or `broken`."""
    return Verdict.HELD if good else Verdict.BROKEN
