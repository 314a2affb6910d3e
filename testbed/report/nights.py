"""Which judgements stand side by side: those of one night, each in a column with a name of its own."""

from __future__ import annotations

import os
import shlex
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from testbed.verdict.judge import Judgement


@dataclass(frozen=True, slots=True)
class Column:
    """A judgement and its name, which no other column of its night has."""

    name: str
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Night:
    """One scenario on one runtime, with the same passengers, over one variant or several: a column for each replay."""

    columns: tuple[Column, ...]

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """The judgement of each column."""
        return tuple(column.judgement for column in self.columns)

    @property
    def name(self) -> str:
        """Scenario, runtime and seed; and the command of a service that is not the case's."""
        header = self.columns[0].judgement.figures.header
        own = "" if header.service is None else f", a service of its own: {shlex.join(header.service.command)}"
        return f"{header.scenario} on {header.runtime}, seed {header.seed}{own}"

    @property
    def title(self) -> str:
        """The scenario's title, with the date, and its name below it."""
        header = self.columns[0].judgement.figures.header
        return f"{header.title}\n{header.night.date}, {self.name}"

    @property
    def outcomes(self) -> str:
        """How often each variant came out as what, such as `18 replays: 15 contained, 3 grounded`; empty if none was replayed again."""
        came_out: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for judgement in self.judgements:
            came_out[judgement.figures.header.variant][judgement.outcome or "unknown"] += 1
        if len(came_out) == len(self.columns):
            return ""
        told = [f"{variant}: {_counts(outcomes)}" for variant, outcomes in came_out.items()]
        return "; ".join(told) if len(told) > 1 else f"{len(self.columns)} replays: {_counts(*came_out.values())}"

    @property
    def journals(self) -> tuple[str, ...]:
        """The path of each column's journal, as short as tells them apart: below the directory that they have in common."""
        paths = [judgement.figures.journal for judgement in self.judgements]
        try:
            common = os.path.commonpath([path.parent for path in paths])
        except ValueError:  # of which some are absolute and others are not
            return tuple(map(str, paths))
        return tuple(str(path.relative_to(common)) for path in paths)


def of(judgements: Iterable[Judgement]) -> tuple[Night, ...]:
    """Return the nights of some judgements, in the order in which each came first."""
    grouped: defaultdict[object, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        header = judgement.figures.header
        night = (header.scenario, header.title, header.runtime, header.seed, header.trace.sha256, header.night, header.facility)
        grouped[night].append(judgement)
    return tuple(Night(_columns(group)) for group in grouped.values())


def _counts(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())


def _columns(group: Sequence[Judgement]) -> tuple[Column, ...]:
    """Return a column for each; those of a variant that comes more than once are numbered."""
    variants = [judgement.figures.header.variant for judgement in group]
    replays, number = Counter(variants), Counter[str]()
    columns = []
    for variant, judgement in zip(variants, group, strict=True):
        number[variant] += 1
        name = variant if replays[variant] == 1 else f"{variant} ({number[variant]}/{replays[variant]})"
        columns.append(Column(name, judgement))
    return tuple(columns)
