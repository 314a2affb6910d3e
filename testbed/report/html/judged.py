"""Replays as the page knows them: journal and judgement together, those of a night side by side."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from testbed.report import nights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.journal.reader import Journal
    from testbed.report.nights import Night
    from testbed.verdict.judge import Judgement
    from testbed.verdict.result import Result

    ContainedBy = Mapping[tuple[str, str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class JudgedReplay:
    """A replay of a night: its name, which no other of the night has, and a label that no other of the page has.

    `contained_by`: the variants over which the kept matrix says that this scenario did not ground the airline; None where there is none.
    """

    name: str
    label: str
    journal: Journal
    judgement: Judgement
    contained_by: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class JudgedNight:
    """A night, and its replays in the order of its columns."""

    night: Night
    replays: tuple[JudgedReplay, ...]

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


def _key(judgement: Judgement) -> tuple[str, str]:
    header = judgement.figures.header
    return header.scenario, header.runtime
