"""The gate: compare a matrix with a baseline, and find the cells that surely got worse.

A replay is worse than the baseline if it is worse than what most of the baseline's replays were (outcome and crack), or than all of them
by more than a margin (`measures.py`). Each cell and measure is a test of two proportions (`significance.py`): how many of the baseline's
replays were as bad, and how many of those of now. Holm's correction over all of them keeps false alarms below `LEVEL` a run.

A cell that looks worse is replayed again, alone, so often that one replay that is not worse may be among them. How often that is, is
settled by the baseline alone; replays stop as soon as what is left cannot change the result. A cell whose baseline has too few replays
for that cannot be tested; all of those together are, by how many got worse and how many better.

A replay that is believed and shows no outcome counts against certainty: now as one that is not worse, in the baseline as one that was. One
that cannot be believed says nothing of the variant, and another is made for it; if most are so, the cell is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rich.text import Text

from testbed.errors import UsageError
from testbed.experiments.matrix.measures import MEASURES, OUTCOME, outcome_badness
from testbed.experiments.matrix.significance import fisher, holm, sign
from testbed.experiments.matrix.text import short
from testbed.report.fitted import Column, FittedTable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from testbed.experiments.matrix.cell import Cell, Replay
    from testbed.experiments.matrix.measures import Measure
    from testbed.experiments.matrix.table import Matrix

LEVEL = 0.05  # at most so many of the runs over the same code have a cell that is said to be worse
MOST = 20  # replays of a cell that looks worse
UNKNOWN = 4  # of these end the replays of a cell, if they are most of them
ENOUGH = 3  # cells that are surely worse: the build has failed, and the others that look worse are only named
Key = tuple[str, str, str]
Change = Literal["same", "better", "suspect", "worse", "unknown", "new"]
STYLE: dict[Change, str] = {
    "same": "dim",
    "better": "green",
    "suspect": "yellow",
    "worse": "bold red",
    "unknown": "bold yellow",
    "new": "cyan",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A measure of a cell: the most that is not worse, and how many of the baseline's replays were worse than that or unknown, of how many.

    `replays`: of how many of now the proportion is tested; 0: the baseline has too few for that.
    """

    measure: Measure
    limit: float
    above: int
    of: int
    replays: int = 0

    def worse(self, now: Iterable[Replay]) -> int:
        """Return how many replays are worse."""
        return sum(badness > self.limit for badness in map(self.measure.badness, now) if badness is not None)

    def chance(self, now: Sequence[Replay], others: int = 0) -> float:
        """Return how likely so many worse ones are by chance; what is not yet replayed counts as not worse, but for `others`."""
        most = max(self.replays, len(now))
        return fisher(self.above, self.of, self.worse(now) + others, most)

    def is_open(self, now: Sequence[Replay], level: float) -> bool:
        """Whether it is not certain, and would be if every replay that is unknown or to come is worse."""
        fine = sum(badness <= self.limit for badness in map(self.measure.badness, now) if badness is not None)
        others = max(self.replays, len(now)) - fine - self.worse(now)
        return self.chance(now) > level >= self.chance(now, others)


@dataclass(frozen=True, slots=True)
class Compared:
    """A cell of the baseline (None: it has none), what is compared of it, and the replays of now; `certain`: what surely got worse."""

    baseline: Cell | None
    now: tuple[Cell, ...]
    comparisons: tuple[Comparison, ...] = ()
    certain: tuple[Comparison, ...] = ()
    level: float = LEVEL

    @property
    def replays(self) -> tuple[Replay, ...]:
        """Every replay of now."""
        return tuple(replay for cell in self.now for replay in cell.each)

    @property
    def believed(self) -> tuple[Replay, ...]:
        """Those that say something of the variant."""
        return tuple(replay for replay in self.replays if replay.is_believed)

    @property
    def unknown(self) -> int:
        """How many of all are unknown."""
        return sum(replay.outcome is None for replay in self.replays)

    @property
    def change(self) -> Change:
        """How the replays compare with the baseline."""
        now = self.believed
        known = len(self.replays) - self.unknown
        if self.baseline is None or self.baseline.outcome is None:
            return "new" if known else "unknown"
        if self.certain:
            return "worse"
        if not known or (self.unknown and any(comparison.is_open(now, self.level) for comparison in self.looking_worse)):
            return "unknown"
        if any(2 * comparison.worse(now) > len(self.replays) for comparison in self.comparisons):
            return "suspect"
        before = outcome_badness(*self.baseline.badness)
        better = sum(badness < before for badness in map(OUTCOME.badness, now) if badness is not None)
        return "better" if 2 * better > len(self.replays) else "same"

    @property
    def looking_worse(self) -> tuple[Comparison, ...]:
        """What looks worse in some replay and can be tested; everything, if no replay is known."""
        now = self.believed
        all_unknown = self.unknown == len(self.replays)
        return tuple(comparison for comparison in self.comparisons if comparison.replays and (all_unknown or comparison.worse(now)))

    @property
    def note(self) -> str:
        """What got worse, how often, and how likely that is by chance; or why that cannot be told."""
        now = self.believed
        if self.change == "suspect":
            looks = max(self.comparisons, key=lambda comparison: comparison.worse(now))
            lacking = "" if looks.replays else f"; a baseline of {looks.of} cannot tell"
            return f"{looks.measure.word}: {looks.worse(now)} of {len(now)}{lacking}"
        found = ((comparison.measure.word, comparison.worse(now), comparison.chance(now)) for comparison in self.certain)
        return "\n".join(f"{word}: {worse} of {len(now)}, p {chance:.2g}" for word, worse, chance in found)


@dataclass(frozen=True, slots=True)
class Together:
    """A measure of all cells that cannot be tested one by one: how many got worse and how many better, at the first look."""

    measure: Measure
    worse: int
    better: int
    is_certain: bool = False

    @property
    def chance(self) -> float:
        """How likely so many worse ones are by chance."""
        return sign(self.worse, self.better)

    @property
    def text(self) -> str:
        """A line of words."""
        found = f"{self.measure.word}: {self.worse} cells worse, {self.better} better, p {self.chance:.2g}"
        return f"{found}, so the code got worse" if self.is_certain else found


@dataclass(frozen=True, slots=True)
class Plan:
    """What is compared of each cell, before anything of now is looked at: the number of tests, and the least replays that can be tested."""

    comparisons: Mapping[Key, tuple[Comparison, ...]]
    tests: int
    least: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a gate: every cell, those that could only be compared together, and the number of tests."""

    cells: tuple[Compared, ...]
    together: tuple[Together, ...]
    plan: Plan

    @property
    def changes(self) -> frozenset[Change]:
        """What happened to cells; `worse` also if that is certain only of many together. One that was not there is new, if unknown."""
        together: tuple[Change, ...] = ("worse",) if any(group.is_certain for group in self.together) else ()
        return frozenset((*("new" if compared.baseline is None else compared.change for compared in self.cells), *together))


def require_comparable(baseline: Matrix, now: Matrix) -> None:
    """Raise UsageError if a column of both has two traces: then there is nothing to compare."""
    before_by_key = {column.key: column for column in baseline.columns}
    for column in now.columns:
        before = before_by_key.get(column.key)
        if before is not None and (before.trace_sha256, before.seed) != (column.trace_sha256, column.seed):
            raise UsageError(
                f"the baseline has another trace of {column.scenario} (seed {before.seed}, {before.requests} requests; now seed "
                f"{column.seed}, {column.requests}); make it anew with `testbed matrix --scenario {column.scenario} --out`"
            )


def gone(baseline: Matrix, now: Matrix, runtime: str) -> tuple[str, ...]:
    """Return the cells of a runtime that the baseline has and `now` lacks: a variant or a scenario was taken away."""
    present = {cell.key for cell in now.cells}
    return tuple(" ".join(cell.key) for cell in baseline.cells if cell.runtime == runtime and cell.key not in present)


def plan(baseline: Iterable[Cell]) -> Plan:
    """Return what is compared of these cells of a baseline.

    Tested one by one are those with at least so many replays that a test can be certain with `MOST` replays of now, all of them worse. The
    fewest that will do are chosen: the more cells are tested, the more replays each needs.
    """
    candidates = {cell.key: _candidates(cell) for cell in baseline if cell.outcome is not None}
    sizes = [levels[0].of for cell in candidates.values() for levels in cell]
    together = len(MEASURES)  # at most so many tests of cells together
    for least in range(2, max(sizes, default=0) + 1):
        tests = sum(size >= least for size in sizes) + together
        if fisher(0, least, MOST, MOST) <= LEVEL / tests:
            break
    else:
        least, tests = max(sizes, default=0) + 1, together
    level = LEVEL / tests
    return Plan({key: tuple(_testable(levels, least, level) for levels in cell) for key, cell in candidates.items()}, tests, least)


def _candidates(cell: Cell) -> list[list[Comparison]]:
    """Return for each measure what might be compared: the lowest limit first, the worst of the baseline last."""
    assert cell.outcome is not None
    believed = [replay for replay in cell.each if replay.is_believed]
    found = []
    for measure in MEASURES:
        values = sorted(badness for replay in believed if (badness := measure.badness(replay)) is not None)
        unknown = sum(replay.outcome is None and measure.badness(replay) is None for replay in believed)
        if not values:
            continue
        least = outcome_badness(*cell.badness) if measure is OUTCOME else values[-1]
        limits = sorted({value for value in values if value >= least}) or [values[-1]]
        found.append(
            [
                Comparison(measure, measure.limit(limit), sum(value > limit for value in values) + unknown, len(values) + unknown)
                for limit in limits
            ]
        )
    return found


def _testable(levels: Sequence[Comparison], least: int, level: float) -> Comparison:
    """Return the first that can be certain, with the number of replays for that; if there is none, the last, which cannot be tested."""
    for comparison in levels if levels[0].of >= least else ():
        replays = _replays(comparison.above, comparison.of, level)
        if replays:
            return replace(comparison, replays=replays)
    return levels[-1]


def _replays(above: int, of: int, level: float) -> int:
    """Return of how many replays all but one suffice to be certain; `MOST` if it takes all of those, 0 if they do not suffice."""
    enough = (count for count in range(2, MOST + 1) if fisher(above, of, count - 1, count) <= level)
    return next(enough, MOST if fisher(above, of, MOST, MOST) <= level else 0)


async def compare(baseline: Matrix, cells: Sequence[Cell], again: Callable[[Cell], Awaitable[Cell]]) -> Result:
    """Compare each cell with the baseline's; call `again` for one that looks worse, until more would not change what comes of it."""
    keys = {cell.key for cell in cells}
    before = {cell.key: cell for cell in baseline.cells if cell.key in keys}
    planned = plan(before.values())
    results: list[Compared] = []
    certain = sure = 0
    for cell in cells:
        compared = Compared(before.get(cell.key), (cell,), planned.comparisons.get(cell.key, ()), level=LEVEL / (planned.tests - certain))
        if sure < ENOUGH:
            compared = await _replayed(compared, again)
        found = sum(comparison.chance(compared.believed) <= compared.level for comparison in compared.looking_worse)
        certain, sure = certain + found, sure + bool(found)
        results.append(compared)
    return _corrected(results, _together(results), planned)


async def _replayed(compared: Compared, again: Callable[[Cell], Awaitable[Cell]]) -> Compared:
    """Return it with the replays that it takes to be certain, or to see that it will not be."""
    while compared.unknown < max(UNKNOWN, 1 + len(compared.replays) // 2):
        now, looking = compared.believed, compared.looking_worse
        nothing_known = compared.unknown == len(compared.replays) and compared.baseline is not None
        level = compared.level
        more = nothing_known or any(len(now) < comparison.replays and comparison.is_open(now, level) for comparison in looking)
        if not more or any(comparison.chance(now) <= level for comparison in looking):
            break
        compared = replace(compared, now=(*compared.now, await again(compared.now[0])))
    return compared


def _together(results: Sequence[Compared]) -> list[Together]:
    """Return how many of the cells that cannot be tested got worse and better, of those with a first replay in the baseline and now."""
    found = []
    for measure in MEASURES:
        worse = better = 0
        for compared in results:
            untested = (comparison for comparison in compared.comparisons if comparison.measure is measure and not comparison.replays)
            comparison = next(untested, None)
            if comparison is None or compared.baseline is None or compared.baseline.tallies:
                continue  # in which order those of a tally came is not known
            before, now = measure.badness(compared.baseline.each[0]), measure.badness(compared.replays[0])
            if before is not None and now is not None:
                worse += now > measure.limit(before)
                better += before > measure.limit(now)
        if worse + better:
            found.append(Together(measure, worse, better))
    return found


def _corrected(results: Sequence[Compared], together: Sequence[Together], planned: Plan) -> Result:
    """Return what is certain of all tests together."""
    tested = [(index, comparison) for index, compared in enumerate(results) for comparison in compared.comparisons if comparison.replays]
    chances = [comparison.chance(results[index].believed) for index, comparison in tested]
    certain = holm([*chances, *(group.chance for group in together)], planned.tests, LEVEL)
    worse: dict[int, tuple[Comparison, ...]] = {}
    for (index, comparison), is_certain in zip(tested, certain, strict=False):
        if is_certain:
            worse[index] = (*worse.get(index, ()), comparison)
    cells = tuple(replace(compared, certain=worse.get(index, ())) for index, compared in enumerate(results))
    sure = certain[len(tested) :]
    return Result(cells, tuple(replace(group, is_certain=is_sure) for group, is_sure in zip(together, sure, strict=True)), planned)


def table(result: Result) -> FittedTable:
    """Return a table of the cells that changed, with the number of those that did not."""
    same = sum(compared.change == "same" for compared in result.cells)
    drawn = FittedTable(
        [Column(head) for head in ("scenario", "runtime", "variant", "baseline", "now", "", "")],
        title="Against the baseline",
        caption=f"{same} of {len(result.cells)} cells are the same",
        labels=3,
    )
    for compared in result.cells:
        if compared.change == "same" and len(compared.now) == 1:
            continue
        words = [short(cell) for cell in compared.now]
        now = "\n".join(f"{words.count(word)} of {len(words)}: {word}" if len(words) > 1 else word for word in dict.fromkeys(words))
        change = Text(compared.change, STYLE[compared.change])
        drawn.add_row(*compared.now[0].key, short(compared.baseline), now, change, compared.note)
    return drawn


def lines(result: Result) -> Text:
    """Return what could be tested: a line on cells whose baseline is too small, and what they say together."""
    untested = [cell for cell in result.cells if cell.comparisons and not any(comparison.replays for comparison in cell.comparisons)]
    told = [f"{result.plan.tests} tests, with Holm's correction: at most {LEVEL:.0%} of the runs over the same code end as worse"]
    if untested:
        nothing = "together they show nothing: of those with a first replay to compare, none got worse or better"
        together = "they are tested together:" if result.together else nothing
        told.append(
            f"{len(untested)} cells have too few replays in the baseline to be tested alone (at least {result.plan.least} are needed, see "
            f"--replays); what looks worse of them is suspect, and {together}"
        )
    told += [group.text for group in result.together]
    return Text("\n".join(told))
