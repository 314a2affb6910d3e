"""What the matrix teaches: sentences, each checked against the cells every time, and marked if a measurement contradicts it.

Negative results are among them: it is as good to know what does not stop the crack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.plan.clock import span_text
from testbed.plan.expectation import Outcome
from testbed.plan.topology import TRANSACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.experiments.matrix.cell import Cell
    from testbed.experiments.matrix.table import Matrix

THE_NIGHT = "the_night"


@dataclass(frozen=True, slots=True)
class Lesson:
    """A sentence about some variants; `holds` checks it on their cells (in that order), and `figures` formats the figures of them."""

    says: str
    variants: tuple[str, ...]
    holds: Callable[..., bool]
    figures: Callable[..., str]


@dataclass(frozen=True, slots=True)
class CheckedLesson:
    """A lesson checked on the cells of a matrix: whether it holds there, and the figures."""

    says: str
    holds: bool
    figures: str


def _hung(cell: Cell) -> bool:
    """Return whether all request threads of all callers were blocked, and stayed so."""
    callers = cell.blocked["callers"]
    return cell.outcome == Outcome.GROUNDED.value and callers.count == callers.of > 0


def _blocked(cell: Cell) -> str:
    callers = cell.blocked["callers"]
    return f"{callers.count} of {callers.of} request threads of callers blocked"


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
        lambda original, fixed: _hung(original) and fixed.outcome == Outcome.CONTAINED.value and fixed.leaked.count == 0,
        lambda original, fixed: f"original: {_answered(original)}; fixed: {_answered(fixed)}, {fixed.leaked.count} connections leaked",
    ),
    Lesson(
        "A circuit breaker that counts errors lets every caller hang: a hang is not an error. "
        "With a call time-out fewer request threads are blocked, and the time-out alone does that.",
        ("circuit_breaker", "call_timeout", "circuit_breaker_call_timeout"),
        lambda breaker, timeout, both: (
            _hung(breaker) and all(cell.blocked["callers"].count < breaker.blocked["callers"].count for cell in (timeout, both))
        ),
        lambda breaker, timeout, both: f"breaker: {_blocked(breaker)}; time-out: {_blocked(timeout)}; both: {_blocked(both)}",
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
        "Retries make this switchover worse: each takes another stale connection, and the pool is empty sooner.",
        ("original", "retry"),
        lambda original, retry: (
            retry.outcome == Outcome.GROUNDED.value
            and _hang_after_s(retry) < _hang_after_s(original)
            and retry.all_answered.count <= original.all_answered.count
        ),
        lambda original, retry: f"original: {_hang(original)}, {_answered(original)}; with retries: {_hang(retry)}, {_answered(retry)}",
    ),
    Lesson(
        "A checkout time-out turns the hang into errors, but the connections are still gone.",
        ("original", "checkout_timeout"),
        lambda original, timeout: timeout.leaked.count == original.leaked.count > 0 and not _hung(timeout),
        lambda _, timeout: f"{timeout.leaked.count} of {timeout.leaked.of} connections leaked, {_blocked(timeout)}, {timeout.word}",
    ),
    Lesson(
        "A bulkhead saves what needs nothing but the caller (the boarding passes), and not the search.",
        ("original", "bulkhead"),
        lambda original, bulkhead: (
            _share(bulkhead, needed=False) > _share(original, needed=False) and _share(bulkhead, needed=True) < 0.5  # noqa: PLR2004 - half
        ),
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
    """Check each lesson on the matrix's first column of the night; leave out those whose variants are not all known there."""
    column = next((column.key for column in matrix.columns if column.scenario == THE_NIGHT), None)
    if column is None:
        return ()
    lessons = []
    for lesson in LESSONS:
        cells = [matrix.cell(column, variant) for variant in lesson.variants]
        known = [cell for cell in cells if cell is not None and cell.outcome is not None]
        if len(known) == len(lesson.variants):
            lessons.append(CheckedLesson(lesson.says, lesson.holds(*known), lesson.figures(*known)))
    return tuple(lessons)
