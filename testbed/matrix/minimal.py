"""Which smallest sets of patterns reach an outcome: every set, smallest first, past those that what is known decides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from testbed.matrix.cell import RANK
from testbed.topology import KeptVariant, Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from testbed.matrix.cell import Cell

CONFIRMED = 3  # replays that a set must pass, in each scenario: one may be luck
Changes = dict[tuple[str, str], Any]


@dataclass(frozen=True, slots=True)
class PatternSet:
    """Some patterns together, by name, and the settings that they make."""

    patterns: frozenset[str]
    settings: Settings

    @property
    def name(self) -> str:
        """Their names in one, as that of a variant."""
        return "+".join(sorted(self.patterns))


@dataclass(frozen=True, slots=True)
class Reached:
    """A set that reached the outcome in every scenario, with its cells."""

    patterns: PatternSet
    cells: tuple[Cell, ...]

    @property
    def kept(self) -> float:
        """The least share of transactions that it kept in any of them."""
        return min((one.all_kept.share or 0.0 for one in self.cells), default=0.0)

    @property
    def leaked(self) -> int:
        """The most connections leaked at the end of any of them: a set may reach the outcome and wear the pool down all the same."""
        return max((one.leaked.count for one in self.cells), default=0)


def changes(settings: Settings) -> Changes:
    """Give what settings change of that night, by role and name."""
    night = Settings().model_dump()
    return {(role, name): value for role, one in settings.model_dump().items() for name, value in one.items() if value != night[role][name]}


def together(patterns: Mapping[str, Changes]) -> Settings | None:
    """Put patterns together; None when two of them want different things of one setting."""
    merged: Changes = {}
    for wanted in patterns.values():
        if any(merged.get(key, value) != value for key, value in wanted.items()):
            return None
        merged |= wanted
    by_role: dict[str, dict[str, Any]] = {}
    for (role, name), value in merged.items():
        by_role.setdefault(role, {})[name] = value
    try:
        return Settings.model_validate(by_role)
    except ValidationError:
        return None


def patterns_of(kept: Mapping[str, KeptVariant]) -> dict[str, Changes]:
    """Give the patterns among the variants: those that change something, and are not several others together."""
    alone = {name: changed for name, one in kept.items() if (changed := changes(one.settings))}
    return {name: changed for name, changed in alone.items() if not _is_several(name, alone)}


def _is_several(name: str, alone: Mapping[str, Changes]) -> bool:
    parts = [one.items() for other, one in alone.items() if other != name and one.items() < alone[name].items()]
    return {key for part in parts for key, _ in part} == set(alone[name])


def sets(patterns: Mapping[str, Changes], size: int) -> Iterator[PatternSet]:
    """Give the sets of a size that are worth a replay.

    Not those whose patterns contradict each other, nor those that come to the same settings as a smaller one: that was replayed before.
    """
    for names in combinations(patterns, size):
        settings = together({name: patterns[name] for name in names})
        if settings is None or any(
            settings == together({name: patterns[name] for name in fewer}) for fewer in combinations(names, size - 1) if fewer
        ):
            continue
        yield PatternSet(frozenset(names), settings)


def reaches(cell: Cell, wanted: str) -> bool:
    """Whether a cell's outcome is the wanted one or a better one."""
    return cell.outcome is not None and RANK[cell.outcome] <= RANK[wanted]


@dataclass(slots=True)
class Trial:
    """Tries sets in some scenarios; the scenario that has rejected the most so far comes first, so that a set that fails fails early."""

    scenarios: tuple[str, ...]
    wanted: str
    replay: Callable[[PatternSet, str, int], Awaitable[Cell]]
    rejected: Counter[str] = field(default_factory=Counter)

    async def passes(self, one: PatternSet) -> Reached | None:
        """Replay a set in one scenario after the other, then all of them again; None as soon as one does not reach the outcome.

        `replay` is given the set, the scenario, and the number of the round, from 0.
        """
        cells = []
        for number in range(CONFIRMED):
            for scenario in sorted(self.scenarios, key=lambda name: -self.rejected[name]):
                cell = await self.replay(one, scenario, number)
                if not reaches(cell, self.wanted):
                    self.rejected[scenario] += 1
                    return None
                cells.append(cell)
        return Reached(one, tuple(cells))


async def search(
    patterns: Mapping[str, Changes], largest: int, passing: Callable[[list[PatternSet]], Awaitable[list[Reached]]]
) -> list[Reached]:
    """Try the sets size by size, and end with the first size at which there are some that reach the outcome; those, ranked."""
    for size in range(1, largest + 1):
        reached = await passing(list(sets(patterns, size)))
        if reached:
            return ranked(reached)
    return []


def ranked(reached: Iterable[Reached]) -> list[Reached]:
    """Give the smallest sets first, among them those that kept the most, and among those the ones that leaked the least."""
    return sorted(reached, key=lambda one: (len(one.patterns.patterns), -one.kept, one.leaked, one.patterns.name))
