"""Faults of a timeline that one link cannot carry at one time. Pure functions of the steps whose times are known.

A fault on a link verifies by an answer over it that it took effect, and its healing that it is gone. So a link carries each word once; no
fault begins under one that lets no answer through (`no_answer` of its class), and none is healed under it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING

from testbed.plan.clock import clock_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.plan.scenario import PlannedStep

HEAL = "heal"


@dataclass(frozen=True, slots=True)
class _Fault:
    """A fault on a link: its place in the timeline, and when it begins."""

    number: int
    word: str
    link: str
    at_s: float
    no_answer: bool

    def __str__(self) -> str:
        return f"{self.word} of {clock_text(self.at_s)} (timeline.{self.number})"


@dataclass(slots=True)
class _Links:
    """The active faults, the oldest first, and from when on each word (None: any) may be healed by a step whose time is unknown."""

    healed_from_s: Sequence[tuple[str | None, float]]
    active: list[_Fault] = field(default_factory=list)

    def _surely(self, at_s: float) -> list[_Fault]:
        """Return the faults that nobody can have healed before this time."""
        return [
            fault for fault in self.active if not any(word in (None, fault.word) and from_s < at_s for word, from_s in self.healed_from_s)
        ]

    def begin(self, fault: _Fault) -> Iterator[str]:
        """Add a fault; yield a mistake for the first one that it cannot begin under."""
        for before in self._surely(fault.at_s):
            at_once = before.at_s == fault.at_s and fault.no_answer
            if before.link != fault.link or not (before.word == fault.word or before.no_answer or at_once):
                continue
            why = "a link carries a fault once" if before.word == fault.word else "no answer comes that would show both"
            yield (
                f"timeline.{fault.number}: found {fault.word} at {clock_text(fault.at_s)} on the link to {fault.link}, where {before} is "
                f"active; {why}; allowed: after `heal` of {before.word}, or on another link"
            )
            break
        self.active.append(fault)

    def heal(self, number: int, of: str | None, at_s: float) -> Iterator[str]:
        """Heal faults, the newest first; yield a mistake for each that is healed under one that lets no answer through."""
        for fault in [fault for fault in reversed(self.active) if of in (None, fault.word)]:
            self.active.remove(fault)
            over = next((other for other in self._surely(at_s) if other.link == fault.link and other.no_answer), None)
            if over is not None and over.word != fault.word and not fault.no_answer:
                yield (
                    f"timeline.{number}: found `heal` of {fault} at {clock_text(at_s)} on the link to {fault.link}, where {over} is "
                    f"active; no answer comes that would show it; allowed: after `heal` of {over.word}"
                )


def of(steps: Sequence[PlannedStep]) -> list[str]:
    """Return a mistake for each two faults that one link cannot carry at one time, with both steps and the link.

    Steps that wait for a condition are left out; what one of them may have healed by then counts as healed.
    """
    links = _Links(tuple(_healed_from_s(steps)))
    timed = sorted(((step.at_night_s, number, step) for number, step in enumerate(steps) if step.at_night_s is not None), key=itemgetter(0))
    mistakes: list[str] = []
    for at_s, number, step in timed:
        link = getattr(step.action, "link", None)
        if step.word == HEAL:
            mistakes += links.heal(number, getattr(step.action, "of", None), at_s)
        elif link is not None and hasattr(step.action, "heal") and not getattr(step.action, "momentary", False):
            mistakes += links.begin(_Fault(number, step.word, link, at_s, getattr(step.action, "no_answer", False)))
    return mistakes


def _healed_from_s(steps: Sequence[PlannedStep]) -> Iterator[tuple[str | None, float]]:
    """Yield what each `heal` that waits for a condition heals, and from when on: such a step waits for the one before it."""
    earliest_s = 0.0
    for step in steps:
        if step.at_night_s is not None:
            earliest_s = step.at_night_s
        elif step.word == HEAL:
            yield getattr(step.action, "of", None), earliest_s
