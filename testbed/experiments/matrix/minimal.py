"""Search for the smallest sets of patterns that reach an outcome: no pattern at all first, then every set not yet decided, by size."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from testbed.experiments.matrix.cell import RANK
from testbed.plan.settings import KeptVariant, Settings
from testbed.verdict.rate import wilson

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from testbed.experiments.matrix.cell import Cell

PASSES = 3  # replays that a set must pass to be chosen, in each scenario: a single pass may be luck
CONFIRMATIONS = 10  # replays of a chosen set, in each scenario: of many sets the luckiest are chosen, and those passes say too much
NO_PATTERN = "original"  # as variants.toml names the settings of that night
Changes = dict[tuple[str, str], Any]


@dataclass(frozen=True, slots=True)
class PatternSet:
    """Patterns by name, and their merged settings."""

    patterns: frozenset[str]
    settings: Settings

    @property
    def name(self) -> str:
        """Their names joined, as the name of a variant; that of the night itself if there is none."""
        return "+".join(sorted(self.patterns)) or NO_PATTERN


@dataclass(frozen=True, slots=True)
class Tally:
    """How many replays of a scenario reached the outcome, of those of which it is known; `unknown`: of how many it is not."""

    scenario: str
    reached: int
    known: int
    unknown: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share that reaches it; anything, if nothing is known."""
        return wilson(self.reached, self.known) if self.known else (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Reached:
    """A chosen set: the cells that chose it; once it is confirmed, those of its confirmation alone, and a tally of each scenario."""

    patterns: PatternSet
    cells: tuple[Cell, ...]
    tallies: tuple[Tally, ...] = ()

    @property
    def failed(self) -> int:
        """How many confirmations did not reach the outcome."""
        return sum(tally.known - tally.reached for tally in self.tallies)

    @property
    def answered(self) -> float:
        """The least share of transactions answered in any of them."""
        return min((cell.all_answered.share or 0.0 for cell in self.cells), default=0.0)

    @property
    def leaked(self) -> int:
        """The most connections leaked at the end of any of them: a set may reach the outcome and still wear the pool down."""
        return max((cell.leaked.count for cell in self.cells), default=0)


def changes(settings: Settings) -> Changes:
    """Return what settings change of that night, by role and name."""
    night = Settings().model_dump()
    return {
        (role, name): value
        for role, values in settings.model_dump().items()
        for name, value in values.items()
        if value != night[role][name]
    }


def merged_settings(patterns: Mapping[str, Changes]) -> Settings | None:
    """Return the settings of all patterns; None if two of them want different values of one setting."""
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


def patterns_of(variants: Mapping[str, KeptVariant]) -> dict[str, Changes]:
    """Return the patterns among the variants: those that change something, and are not several others combined."""
    alone = {name: changed for name, variant in variants.items() if (changed := changes(variant.settings))}
    return {name: changed for name, changed in alone.items() if not _is_several(name, alone)}


def _is_several(name: str, alone: Mapping[str, Changes]) -> bool:
    parts = [changed.items() for other, changed in alone.items() if other != name and changed.items() < alone[name].items()]
    return {key for part in parts for key, _ in part} == set(alone[name])


def sets(patterns: Mapping[str, Changes], size: int) -> Iterator[PatternSet]:
    """Yield the sets of a size that are worth a replay; of size 0 there is one, without a pattern.

    Left out are those whose patterns contradict each other, and those with the settings of a smaller set, which was replayed before.
    """
    for names in combinations(patterns, size):
        settings = merged_settings({name: patterns[name] for name in names})
        if settings is None or any(
            settings == merged_settings({name: patterns[name] for name in fewer})
            for fewer in combinations(names, max(0, size - 1))
            if fewer
        ):
            continue
        yield PatternSet(frozenset(names), settings)


def reaches(cell: Cell, wanted: str) -> bool:
    """Return whether a cell's outcome is the wanted one or better."""
    return cell.outcome is not None and RANK[cell.outcome] <= RANK[wanted]


@dataclass(slots=True)
class Trial:
    """Tries sets in some scenarios, those that rejected the most so far first, so that a set that fails does so early."""

    scenarios: tuple[str, ...]
    wanted: str
    replay: Callable[[PatternSet, str, int], Awaitable[Cell]]
    rejected: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)  # the names of the sets that one could not tell of

    async def passes(self, candidate: PatternSet) -> Reached | None:
        """Replay a set in each scenario, `PASSES` times over; return None as soon as a replay does not reach the outcome.

        `replay` is called with the set, the scenario, and the number of the round, from 0.
        """
        cells = []
        for number in range(PASSES):
            for scenario in sorted(self.scenarios, key=lambda name: -self.rejected[name]):
                cell = await self.replay(candidate, scenario, number)
                if cell.outcome is None:
                    self.unknown.append(candidate.name)
                    return None
                if not reaches(cell, self.wanted):
                    self.rejected[scenario] += 1
                    return None
                cells.append(cell)
        return Reached(candidate, tuple(cells))

    async def confirmed(self, chosen: Reached, scenario: str, times: int) -> Reached:
        """Replay a chosen set in a scenario so many times more; return it with these replays alone, and their tally."""
        cells = [await self.replay(chosen.patterns, scenario, PASSES + number) for number in range(times)]
        known = [cell for cell in cells if cell.outcome is not None]
        reached = sum(reaches(cell, self.wanted) for cell in known)
        return Reached(chosen.patterns, tuple(known), (Tally(scenario, reached, len(known), len(cells) - len(known)),))


async def search(
    patterns: Mapping[str, Changes], largest: int, passing: Callable[[list[PatternSet]], Awaitable[list[Reached]]]
) -> list[Reached]:
    """Try the sets size by size, from no pattern at all; return those of the first size at which some reach the outcome, ranked."""
    for size in range(largest + 1):
        reached = await passing(list(sets(patterns, size)))
        if reached:
            return ranked(reached)
    return []


def joined(parts: Sequence[Reached]) -> Reached:
    """Return what is confirmed of one set in several scenarios as one."""
    cells = tuple(cell for part in parts for cell in part.cells)
    return Reached(parts[0].patterns, cells, tuple(tally for part in parts for tally in part.tallies))


def ranked(reached: Iterable[Reached]) -> list[Reached]:
    """Return the smallest sets first, then those that failed the least, answered the most, and leaked the least."""
    return sorted(
        reached,
        key=lambda result: (len(result.patterns.patterns), result.failed, -result.answered, result.leaked, result.patterns.name),
    )
