"""What a kept cell contradicts of itself or of its column: no replay can have written it. Pure functions."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING

from testbed.plan.expectation import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.experiments.matrix.cell import Cell, Part, Replay
    from testbed.experiments.matrix.table import Column

# The outcome of each code of a reason, as the table of the verdict's README has them, and of those that only cells have.
OUTCOMES: dict[str, Outcome | None] = {
    "all_answered": Outcome.UNHARMED,
    "late": Outcome.CONTAINED,
    "served_again": Outcome.CONTAINED,
    "stuck_at_end": Outcome.GROUNDED,
    "served_no_more": Outcome.GROUNDED,
    "restarted_by_hand": Outcome.GROUNDED,
    **dict.fromkeys(
        (
            "not_seen_to_come_back",
            "not_seen_if_needed",
            "sent_late",
            "machine_busy",
            "delay_longer_than_seen",
            "not_complete",
            "no_transactions",
        )
    ),
    **dict.fromkeys(("doubted", "not_replayed", "not_judged")),
}
ALL_ANSWERED = ("all_answered", "late")  # codes of cells of which every transaction was answered
RECOVERY = ("recovery_s", "recovery_night_s", "by_itself")


def mistakes(cell: Cell, column: Column) -> Iterator[tuple[str, str]]:
    """Yield for each contradiction the key of the field, what was found, and what is allowed."""
    yield from _reason(cell)
    yield from _answered(cell, column)
    yield from _waited(cell)
    if len({getattr(cell, name) is None for name in RECOVERY}) > 1:
        yield "recovery_s", f"found without one of {', '.join(RECOVERY)}; allowed: all three, or none"
    if cell.replays or cell.tallies:
        yield from _replays(cell)
    for number, replay in enumerate(cell.replays):
        yield from _replay(replay, f"replays.{number}", column)


def _reason(cell: Cell) -> Iterator[tuple[str, str]]:
    if cell.reason is not None and cell.reason.code in OUTCOMES:
        wanted = OUTCOMES[cell.reason.code]
        if cell.outcome != (wanted and wanted.value):
            yield "reason.code", f"found {cell.reason.code!r} of a cell that is {cell.word}; allowed: codes of that outcome"


def _answered(cell: Cell, column: Column) -> Iterator[tuple[str, str]]:
    every = cell.all_answered
    if every.of > column.requests:
        yield "answered", f"found {every.of} transactions that were due; allowed: at most the {column.requests} of `requests` in line 1"
    all_were = cell.outcome == Outcome.UNHARMED.value or (cell.reason is not None and cell.reason.code in ALL_ANSWERED)
    if all_were and every.count < every.of:
        yield "answered", f"found {every}; allowed: all, as the cell is {cell.word}{f' ({cell.reason.code})' if cell.reason else ''}"


def _waited(cell: Cell) -> Iterator[tuple[str, str]]:
    for caller, waited in cell.waited.items():
        key = f"waited.{caller}"
        due = sum(part.of for kind, part in cell.answered.items() if kind.split(" ")[0] == caller)
        if waited.count > due:
            yield f"{key}.count", f"found {waited.count}; allowed: at most {due}, the transactions of {caller} in `answered`"
        seconds = (waited.median_s, waited.p90_s, waited.p99_s, waited.longest_s)
        if not waited.count and any(value is not None for value in seconds):
            yield key, "found times although nobody waited; allowed: null"
        elif not _rise(*seconds):
            yield key, f"found {_times(*seconds)}; allowed: median, 90 %, 99 % and longest in rising order, null (never) last"


def _replays(cell: Cell) -> Iterator[tuple[str, str]]:
    """Compare a cell with the results of its replays: it has one of them, and the one that most have, if there is one.

    Cells that were put together may have a result that only came out most often of those that the parts had.
    """
    each = cell.each
    times = Counter(replay.result for replay in each if replay.is_believed) or Counter(replay.result for replay in each)
    result, count = times.most_common(1)[0]
    if cell.result not in times or (result != cell.result and 2 * count > times.total()):
        key = "outcome" if cell.outcome != result[0] else "crack"
        came_out = ", ".join(f"{of} x {word or 'unknown'} {crack}" for (word, crack), of in times.most_common())
        yield key, f"found {cell.word} {cell.crack} over replays of {came_out}; allowed: what most of them came out as"
    elif not cell.tallies:
        kept = [replay.answered for replay in cell.replays if replay.result == cell.result and replay.answered is not None]
        if kept and cell.all_answered not in kept:
            found = f"found {cell.all_answered}, and {_listed(kept)} in `replays`"
            yield "answered", f"{found}; allowed: the figures of a replay that came out as the cell did"


def _replay(replay: Replay, key: str, column: Column) -> Iterator[tuple[str, str]]:
    answered = replay.answered
    if answered is not None and answered.of > column.requests:
        yield f"{key}.answered", f"found {answered}; allowed: a total of at most the {column.requests} of `requests` in line 1"
    if answered is not None and replay.outcome == Outcome.UNHARMED.value and answered.count < answered.of:
        yield f"{key}.answered", f"found {answered}; allowed: all, as the replay is {replay.outcome}"
    if replay.waited is not None and not _rise(replay.waited.median_s, replay.waited.p99_s):
        yield f"{key}.waited", f"found {_times(replay.waited.median_s, replay.waited.p99_s)}; allowed: a median of at most the 99 %"


def _rise(*seconds: float | None) -> bool:
    known = [inf if value is None else value for value in seconds]
    return known == sorted(known)


def _times(*seconds: float | None) -> str:
    return ", ".join("null" if value is None else f"{value:g}" for value in seconds)


def _listed(parts: list[Part]) -> str:
    return " or ".join(dict.fromkeys(map(str, parts)))
