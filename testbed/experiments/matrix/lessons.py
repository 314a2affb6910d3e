"""What the matrix teaches: sentences, each checked against the cells every time, and marked if a measurement contradicts it.

Negative results are among them: it is as good to know what does not stop the crack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.plan.clock import span_text
from testbed.plan.expectation import Crack, Outcome
from testbed.plan.topology import TRANSACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testbed.experiments.matrix.cell import Cell
    from testbed.experiments.matrix.table import Matrix

THE_NIGHT = "the_night"
SILENCE = "silence_for_ever"  # a link on which nothing fails: every call hangs from the first
HALF = 0.5  # of the transactions


@dataclass(frozen=True, slots=True)
class Lesson:
    """A sentence about some variants; `holds` checks it on their cells (in that order), and `figures` formats the figures of them.

    `scenario` is the one whose columns it is checked on. `holds` returns None if the cells do not have what it asks for, because they were
    recorded before that was.
    """

    says: str
    variants: tuple[str, ...]
    holds: Callable[..., bool | None]
    figures: Callable[..., str]
    scenario: str = THE_NIGHT


@dataclass(frozen=True, slots=True)
class CheckedLesson:
    """A lesson checked on a matrix: whether it holds in every column that shows it (None: none does), and the figures."""

    says: str
    holds: bool | None
    figures: str


# The outcome and the crack of a cell are known of each of its replays, and asked of all; every other figure is of the one that is kept.
def _outcomes(cell: Cell) -> set[str]:
    return {tally.outcome for tally in cell.tallies if tally.outcome is not None} or {cell.word}


def _cracks(cell: Cell) -> set[int]:
    return {tally.crack for tally in cell.tallies if tally.outcome is not None} or {cell.crack}


def _hung(cell: Cell) -> bool:
    """Return whether all request threads of all callers were blocked, and stayed so, in every replay."""
    callers = cell.blocked["callers"]
    return _outcomes(cell) == {Outcome.GROUNDED.value} and _cracks(cell) == {Crack.AIRLINE} and callers.count == callers.of > 0


def _blocked(cell: Cell) -> str:
    callers = cell.blocked["callers"]
    return f"{callers.count} of {callers.of} request threads of callers blocked"


def _opened(cell: Cell) -> str:
    if cell.breakers is None:
        return "its counts were not recorded"
    return f"opened {cell.breakers.opened} times, {cell.breakers.refused} calls refused"


def _answered(cell: Cell) -> str:
    answered = cell.all_answered
    return f"{answered.count} of {answered.of} transactions answered"


def _share(cell: Cell, *, needed: bool) -> float:
    """Return the share answered of the transactions that need the facility, or of those that do not."""
    parts = [part for name, part in cell.answered.items() if (name in WITHOUT_FACILITY) is not needed]
    due = sum(part.of for part in parts)
    return sum(part.count for part in parts) / due if due else 0.0


WITHOUT_FACILITY = frozenset(f"{caller} {name}" for caller, names in TRANSACTIONS.items() for name, needs in names.items() if not needs)

LESSONS = (
    Lesson(
        "Closing each resource under its own guard stops the crack at the lookup: what was stale fails once, and no connection is lost.",
        ("original", "fixed"),
        lambda original, fixed: _hung(original) and _outcomes(fixed) == {Outcome.CONTAINED.value} and fixed.leaked.count == 0,
        lambda original, fixed: f"original: {_answered(original)}; fixed: {_answered(fixed)}, {fixed.leaked.count} connections leaked",
    ),
    Lesson(
        "A hang is no error: if nothing fails first, a circuit breaker never opens, and every caller hangs. "
        "With a call time-out it opens, and what needs no facility goes on, as with the time-out alone.",
        ("circuit_breaker", "call_timeout", "circuit_breaker_call_timeout"),
        lambda breaker, timeout, both: (
            None
            if breaker.breakers is None or both.breakers is None
            else _hung(breaker)
            and breaker.breakers.opened == 0 < both.breakers.opened
            and all(_share(cell, needed=False) > _share(breaker, needed=False) for cell in (timeout, both))
        ),
        lambda breaker, timeout, both: (
            f"breaker: {_opened(breaker)}, {_blocked(breaker)}, {_share(breaker, needed=False):.0%} answered without the facility; "
            f"time-out: {_share(timeout, needed=False):.0%}; both: {_opened(both)}, {_share(both, needed=False):.0%}"
        ),
        SILENCE,
    ),
    Lesson(
        "In the switchover calls fail before they hang, so a circuit breaker opens: one trial call of each caller hangs, "
        "the others are refused, and no caller is blocked; what needs the facility is lost.",
        ("circuit_breaker",),
        lambda breaker: (
            None
            if breaker.breakers is None
            else breaker.breakers.opened > 0
            and breaker.breakers.refused > 0
            and max(_cracks(breaker)) < Crack.CALLER
            and _share(breaker, needed=True) < HALF
        ),
        lambda breaker: f"{_opened(breaker)}; {_blocked(breaker)}; with the facility: {_share(breaker, needed=True):.0%} answered",
    ),
    Lesson(
        "Monitoring that answers from a pool of its own keeps dead servers in rotation; with handshaking the health check tells.",
        ("original", "handshaking"),
        lambda original, shaken: original.red == 0 < shaken.red,
        lambda original, shaken: f"original: {original.red} health checks red; handshaking: {shaken.red} red, {shaken.word} all the same",
    ),
    Lesson(
        "Service groups over one shared database do not contain this one: the switchover reaches every group.",
        ("service_groups",),
        _hung,
        lambda groups: f"{groups.word}, {_blocked(groups)}",
    ),
    Lesson(
        "Retries make this switchover worse: each takes another stale connection; "
        "of one replay of each, the one with retries hung sooner and answered no more.",
        ("original", "retry"),
        lambda original, retry: (
            _outcomes(retry) == {Outcome.GROUNDED.value}
            and _hang_after_s(retry) < _hang_after_s(original)
            and retry.all_answered.count <= original.all_answered.count
        ),
        lambda original, retry: f"original: {_hang(original)}, {_answered(original)}; with retries: {_hang(retry)}, {_answered(retry)}",
    ),
    Lesson(
        "A checkout time-out turns the hang into errors, but the connections are still gone.",
        ("original", "checkout_timeout"),
        lambda original, timeout: timeout.leaked.count == original.leaked.count > 0 and Crack.AIRLINE not in _cracks(timeout),
        lambda _, timeout: f"{timeout.leaked.count} of {timeout.leaked.of} connections leaked, {_blocked(timeout)}, {timeout.word}",
    ),
    Lesson(
        "A bulkhead saves what needs nothing but the caller (the boarding passes), and not the search.",
        ("original", "bulkhead"),
        lambda original, bulkhead: _share(bulkhead, needed=False) > _share(original, needed=False) and _share(bulkhead, needed=True) < HALF,
        lambda original, bulkhead: (
            f"without the facility: {_share(original, needed=False):.0%} answered, with a bulkhead {_share(bulkhead, needed=False):.0%}; "
            f"with it: {_share(original, needed=True):.0%} and {_share(bulkhead, needed=True):.0%}"
        ),
    ),
)


def _hang_after_s(cell: Cell) -> float:
    return float("inf") if cell.hang_after_night_s is None else cell.hang_after_night_s


def _hang(cell: Cell) -> str:
    return "never hung" if cell.hang_after_night_s is None else f"hung {span_text(cell.hang_after_night_s)} after the fault"


def check(matrix: Matrix) -> tuple[CheckedLesson, ...]:
    """Check each lesson on every column of its scenario; leave out the lessons whose variants are not all known in any of them."""
    lessons = []
    for lesson in LESSONS:
        checked = []
        for column in (column for column in matrix.columns if column.scenario == lesson.scenario):
            cells = [matrix.cell(column.key, variant) for variant in lesson.variants]
            known = [cell for cell in cells if cell is not None and cell.outcome is not None]
            if len(known) == len(lesson.variants):
                checked.append((column.runtime, lesson.holds(*known), lesson.figures(*known)))
        if checked:
            answers = [holds for _, holds, _ in checked if holds is not None]
            lessons.append(CheckedLesson(lesson.says, all(answers) if answers else None, _of_columns(checked)))
    return tuple(lessons)


def _of_columns(checked: Sequence[tuple[str, bool | None, str]]) -> str:
    """Format the figures of each column; with several, each with its runtime, and with what it says of the lesson if it does not hold."""
    if len(checked) == 1:
        return checked[0][2]
    notes = {True: "", False: ", which contradict it", None: ", which do not show it"}
    return "; ".join(f"{runtime}{notes[holds]}: {figures}" for runtime, holds, figures in checked)
