"""A cause: what threads wait for in the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

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


def most(causes: dict[Cause, int]) -> Cause:
    """Return the cause that most threads wait for; of several, the first by its words."""
    return min(causes, key=lambda cause: (-causes[cause], cause.text))


def share_out(count: int, among: Mapping[Cause, int]) -> Counter[Cause]:
    """Return a number of threads shared out among causes, in proportion to their own numbers, the largest remainders first."""
    total = sum(among.values())
    found = Counter({cause: count * part // total for cause, part in among.items() if part})
    rest = sorted(found, key=lambda cause: (-(count * among[cause] % total), cause.text))
    found.update(rest[: count - found.total()])
    return +found
