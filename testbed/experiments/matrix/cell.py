"""A cell of the containment matrix: what one judgement says of one variant in one scenario. A pure function."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from testbed.plan.expectation import Outcome, OutcomeWord
from testbed.verdict.checks import CONDITION_NOT_SEEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.verdict.figures import Figures
    from testbed.verdict.judge import Judgement

MOST = 10**9  # of anything that is counted: more is a mistake in a file
Count = Annotated[int, Field(ge=0, le=MOST)]
LONGEST_SHOWN = 20  # characters of a wrong text in a message
CrackLevel = Annotated[int, Field(ge=0, le=6)]
RANK: dict[str, int] = {word.value: word.rank for word in Outcome}


class Part(BaseModel):
    """A count out of a total, which it does not exceed; in a file `"77/83"`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: Count
    of: Count

    @property
    def share(self) -> float | None:
        """The share, 0 to 1; None if the total is 0."""
        return self.count / self.of if self.of else None

    def __str__(self) -> str:
        return f"{self.count}/{self.of}"

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        count, slash, of = value.partition("/")
        if not (slash and _is_count(count) and _is_count(of)):
            raise ValueError(f"found {shortened(value)!r}; allowed: a count and a total, such as '77/83'")
        return {"count": int(count), "of": int(of)}

    @model_validator(mode="after")
    def _require_no_more_than_the_total(self) -> Self:
        if self.count > self.of:
            raise ValueError(f"found '{self}'; allowed: a count that is at most the total, such as '77/83'")
        return self

    @model_serializer
    def _format(self) -> str:
        return str(self)


def _is_count(text: str) -> bool:
    """Return whether a text is a whole number in ASCII digits that is not longer than MOST; Python converts no more than 4,300 digits."""
    return text.isascii() and text.isdecimal() and len(text) <= len(str(MOST))


def shortened(text: str) -> str:
    """Return a wrong text as a message shows it: its beginning, if it is long."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


class Tally(BaseModel):
    """How many replays of a cell came out with this outcome (None: unknown) and crack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: OutcomeWord | None
    crack: CrackLevel
    times: Annotated[int, Field(ge=1, le=MOST)]


class Breakers(BaseModel):
    """What the circuit breakers of all callers did: how often they opened, and how many calls they let through and refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    opened: Count
    let_through: Count
    refused: Count


class Cell(BaseModel):
    """What became of a variant in a scenario on a runtime.

    `outcome` is None if it is unknown, and `unknown` says why. `answered`: transactions answered of those due after the first fault (of
    all, if there was none), by "caller transaction". `leaked`: connections lost for good at the end, of all connections that were seen
    then. `blocked`: request threads of servers and callers that were blocked when it was worst. `red`: health checks that failed.
    `hang_after_night_s`: from the fault to the hang, in seconds of the night. `recovery_s` and `recovery_night_s`: from the fault to the
    last transaction that was not answered, in real seconds and in the night's, if all callers were served again after it; `by_itself`:
    whether that took no restart by hand. Times are whole seconds. `tallies`: how often it came out as what, if it was replayed more than
    once. `breakers`: None if the variant has no circuit breakers, or their counts were not recorded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenario: str
    runtime: str
    variant: str
    outcome: OutcomeWord | None
    crack: CrackLevel
    answered: dict[str, Part]
    leaked: Part
    blocked: dict[str, Part]
    red: Count
    hang_after_night_s: Count | None = None
    recovery_s: Count | None = None
    recovery_night_s: Count | None = None
    by_itself: bool | None = None
    unknown: str = ""
    tallies: tuple[Tally, ...] = ()
    breakers: Breakers | None = None

    @property
    def column(self) -> tuple[str, str]:
        """The column: scenario and runtime."""
        return self.scenario, self.runtime

    @property
    def key(self) -> tuple[str, str, str]:
        """Scenario, runtime and variant."""
        return self.scenario, self.runtime, self.variant

    @property
    def all_answered(self) -> Part:
        """The transactions of all kinds that were answered."""
        return Part(count=sum(part.count for part in self.answered.values()), of=sum(part.of for part in self.answered.values()))

    @property
    def badness(self) -> tuple[int, int]:
        """Rank of the outcome, then the crack: the larger, the worse. Raises ValueError if the outcome is unknown."""
        if self.outcome is None:
            raise ValueError(f"{self.scenario} {self.variant}: the outcome is unknown")
        return RANK[self.outcome], self.crack

    @property
    def worst(self) -> tuple[int, int]:
        """The badness of the worst of its replays."""
        return max([self.badness, *((RANK[tally.outcome], tally.crack) for tally in self.tallies if tally.outcome is not None)])

    @property
    def result(self) -> tuple[OutcomeWord | None, int]:
        """Outcome and crack, as `tallies` counts them."""
        return self.outcome, self.crack

    @property
    def word(self) -> str:
        """The outcome as a word."""
        return self.outcome or "unknown"


def unknown(scenario: str, runtime: str, variant: str, why: str) -> Cell:
    """Return the cell of a replay that cannot be judged."""
    return Cell(
        scenario=scenario,
        runtime=runtime,
        variant=variant,
        outcome=None,
        crack=0,
        answered={},
        leaked=Part(count=0, of=0),
        blocked={},
        red=0,
        unknown=why or "no reason is known",
    )


def most_of(cells: Sequence[Cell]) -> Cell:
    """Return the cell of several replays: the first that came out as most did (in a tie as the worst), with a tally of all."""
    if len(cells) == 1:
        return cells[0]
    times: Counter[tuple[OutcomeWord | None, int]] = Counter()
    for cell in cells:
        times.update({(tally.outcome, tally.crack): tally.times for tally in cell.tallies} or {cell.result: 1})
    known = [cell for cell in cells if cell.outcome is not None] or list(cells)
    chosen = max(known, key=lambda cell: (times[cell.result], cell.outcome is not None and cell.badness))
    tallies = (Tally(outcome=word, crack=level, times=count) for (word, level), count in times.items())
    return chosen.model_copy(update={"tallies": tuple(sorted(tallies, key=lambda tally: (tally.outcome or "unknown", tally.crack)))})


def of(judgement: Judgement) -> Cell:
    """Return the cell of a judgement; a replay that cannot be believed has no outcome."""
    figures = judgement.figures
    header, blocked = figures.header, figures.blocked_request_threads
    facility = header.facility
    # A restart that waited for a hang which never came is no doubt here: the variant did not need it.
    doubts = [finding.text for finding in judgement.doubts if finding.code != CONDITION_NOT_SEEN]
    if judgement.outcome is None and not doubts:
        doubts = ["at the night's end requests still waited or failed, with no caller out of service and no sign of recovery"]
    leaked = [count for count in figures.leaked_connections.values() if count is not None]
    recovered = figures.recovery
    return Cell(
        scenario=header.scenario,
        runtime=header.runtime,
        variant=header.variant,
        outcome=None if doubts or judgement.outcome is None else judgement.outcome.value,
        crack=judgement.crack.value,
        answered=_answered(figures),
        leaked=_part(sum(leaked), facility.pool_size * len(leaked)),
        blocked={
            role: _part(sum(blocked[name] for name in names), facility.request_threads * len(names))
            for role, names in (("servers", facility.application_servers), ("callers", facility.callers))
        },
        red=sum(checks.count - checks.green for checks in figures.health.values()),
        hang_after_night_s=_whole(figures.time_to_hang_night_s),
        recovery_s=_whole(recovered.took_s if recovered else None),
        recovery_night_s=_whole(recovered.took_night_s if recovered else None),
        by_itself=None if recovered is None else figures.needed_restart is None,
        unknown="; ".join(doubts),
        breakers=_breakers(figures),
    )


def _breakers(figures: Figures) -> Breakers | None:
    counts = [told for told in figures.breakers.values() if told is not None]
    if not counts or len(counts) < len(figures.breakers):
        return None
    return Breakers(
        opened=sum(told.opened for told in counts),
        let_through=sum(told.let_through for told in counts),
        refused=sum(told.refused for told in counts),
    )


def _part(count: int, of: int) -> Part:
    """Return the part; a pool with an overflow may lose more connections than it has by its size, and then the total is what was lost."""
    return Part(count=count, of=max(count, of))


def _answered(figures: Figures) -> dict[str, Part]:
    half = "before" if figures.first_fault is None else "after"
    return {
        f"{caller} {name}": Part(count=ends[half]["answered"], of=sum(ends[half].values()))
        for caller, kinds in sorted(figures.transactions.items())
        for name, ends in sorted(kinds.items())
    }


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)
