"""A cause: what threads wait for in the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.plan.expectation import CauseCode


@dataclass(frozen=True, slots=True)
class Cause:
    """What others wait for and what waits for nobody: a code for programs, where it is, and what it is, in words that name it.

    `only_likely`: it is not certain, and the words say why.
    """

    code: CauseCode
    where: str
    text: str
    only_likely: bool = False


def unseen(what: str, reason: str) -> Cause:
    """Return the cause where a way ends because nothing more was seen."""
    return Cause("unseen", what, f"what is behind {what} is not known: {reason}")


def most(causes: Mapping[Cause, Fraction | int]) -> Cause:
    """Return the cause that most threads wait for; of several, the first by its words."""
    return min(causes, key=lambda cause: (-causes[cause], cause.text))


class Waiting(dict[Cause, Fraction]):
    """How many threads wait for each cause in the end: exact shares, so that no remainder decides what most of them wait for."""

    def __missing__(self, cause: Cause) -> Fraction:
        return Fraction(0)

    @classmethod
    def of(cls, causes: Mapping[Cause, Fraction | int]) -> Self:
        """Return how many threads wait for each of some causes."""
        found = cls()
        found.add(causes)
        return found

    def add(self, causes: Mapping[Cause, Fraction | int]) -> None:
        """Add other threads."""
        for cause, count in causes.items():
            self[cause] += count

    def total(self) -> Fraction:
        """Return how many threads there are."""
        return sum(self.values(), Fraction(0))

    def in_whole(self) -> Counter[Cause]:
        """Return whole numbers of threads for people, the largest remainders first."""
        found = Counter({cause: int(count) for cause, count in self.items()})
        rest = sorted(found, key=lambda cause: (found[cause] - self[cause], cause.text))
        found.update(rest[: round(self.total()) - found.total()])
        return found


def share_out(count: Fraction | int, among: Mapping[Cause, Fraction | int]) -> Waiting:
    """Return a number of threads shared out among causes, in proportion to their own numbers."""
    total = sum(among.values(), Fraction(0))
    return Waiting({cause: Fraction(part) * count / total for cause, part in among.items() if part}) if total else Waiting()
