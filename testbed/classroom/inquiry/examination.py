"""A night that is over, examined: its journal, what it means, who waited for whom, and the answers of the post-mortem.

From the journal and the evidence beside it alone. It is computed once, for what compares answers and for what counts points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import JournalError
from testbed.journal import reader
from testbed.postmortem import questions, warning_time
from testbed.verdict import judge, who_waits

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.reader import Journal
    from testbed.postmortem.questions import Answer, Known, Sure
    from testbed.postmortem.warning_time import WarningTimes
    from testbed.verdict.judge import Judgement
    from testbed.verdict.who_waits import Look

NOT_OVER = "The night is not over: its journal is not complete."


@dataclass(frozen=True, slots=True)
class Examination:
    """What the journal of a night and its evidence tell. `looks`: who waited for whom, at each moment at which evidence was taken."""

    journal: Journal
    judgement: Judgement
    looks: tuple[Look, ...]
    known: Known
    times: WarningTimes
    answers: tuple[Answer, ...]

    @property
    def worst(self) -> Look | None:
        """The moment with the most blocked threads; None without evidence."""
        return who_waits.worst_of(self.looks)

    @property
    def has_stopped(self) -> bool | None:
        """Whether service stopped; None where that is not known."""
        return None if not self.times.stop.known else self.times.stop.at is not None

    def sure(self, sure: Sure) -> Sure:
        """Return how sure something is in a night that may have to be doubted: of such a one nothing is certain."""
        return "likely" if sure == "certain" and self.judgement.doubts else sure


def of(path: Path) -> Examination:
    """Examine the journal of a night; raises JournalError for one that cannot be read, and for one that is not complete."""
    return of_journal(reader.read(path))


def of_journal(journal: Journal) -> Examination:
    """Examine a night that was read; raises JournalError if its journal is not complete."""
    if not journal.is_complete:
        end = journal.end
        why = "it has no end" if end is None else f"it ended as {end.reason}" + (f": {end.detail}" if end.detail else "")
        raise JournalError(f"{NOT_OVER} {journal.path}: {why}; allowed: one that ended as complete")
    judgement = judge.judge(journal)
    looks, times = who_waits.of_journal(journal), warning_time.of(journal, judgement)
    known = questions.known_root(who_waits.worst_of(looks), times.stop.at)
    return Examination(journal, judgement, looks, known, times, questions.of(journal, judgement, looks, times, None))
