"""Replays as the page knows them: journal and judgement together, those of a night side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from testbed.postmortem import warning_time
from testbed.report import nights
from testbed.report.nights import Night
from testbed.verdict import who_waits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.journal.reader import Journal
    from testbed.postmortem.warning_time import WarningTimes
    from testbed.verdict.judge import Judgement
    from testbed.verdict.result import Result
    from testbed.verdict.who_waits import Look

    ContainedBy = Mapping[tuple[str, str], tuple[str, ...]]


@dataclass(frozen=True)
class JudgedReplay:
    """A replay of a night: its name, which no other of the night has, and a label that no other of the page has.

    `contained_by`: the variants over which the kept matrix says that this scenario did not ground the airline; None where there is none.
    """

    name: str
    label: str
    journal: Journal
    judgement: Judgement
    contained_by: tuple[str, ...] | None = None

    @cached_property
    def looks(self) -> tuple[Look, ...]:
        """Who waited for whom; several sections ask."""
        return who_waits.of_journal(self.journal)

    @cached_property
    def times(self) -> WarningTimes:
        """When service stopped, and what could have warned; raises JournalError of times that cannot be."""
        return warning_time.of(self.journal, self.judgement)


@dataclass(frozen=True, slots=True)
class JudgedNight:
    """A night, and its replays in the order of its columns, or the first of them."""

    night: Night
    replays: tuple[JudgedReplay, ...]

    @property
    def shown(self) -> Night:
        """The night with the columns of these replays alone."""
        return Night(self.night.columns[: len(self.replays)])

    @property
    def title(self) -> str:
        """The scenario's title."""
        return self.replays[0].journal.header.title


def of(results: Sequence[Result], contained_by: ContainedBy = MappingProxyType({})) -> tuple[JudgedNight, ...]:
    """Return the nights of some replays, in the order in which each came first; `contained_by`: by scenario and runtime."""
    journals = {id(result.judgement): result.journal for result in results}  # by identity: two replays may be judged alike
    found = nights.of([result.judgement for result in results])
    return tuple(
        JudgedNight(
            night,
            tuple(
                JudgedReplay(
                    column.name,
                    column.name if len(found) == 1 else f"{night.name}: {column.name}",
                    journals[id(column.judgement)],
                    column.judgement,
                    contained_by.get(_key(column.judgement)),
                )
                for column in night.columns
            ),
        )
        for night in found
    )


def first(nights: Sequence[JudgedNight], most: int) -> tuple[JudgedNight, ...]:
    """Return the nights with no more than so many replays in all, the first ones; a night of which none is left is left out."""
    cut = []
    for judged in nights:
        cut.append(replace(judged, replays=judged.replays[: max(0, most)]))
        most -= len(judged.replays)
    return tuple(judged for judged in cut if judged.replays)


def _key(judgement: Judgement) -> tuple[str, str]:
    header = judgement.figures.header
    return header.scenario, header.runtime
