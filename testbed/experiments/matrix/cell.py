"""A cell of the containment matrix: what one judgement says of one variant in one scenario. A pure function."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from testbed.errors import shortened
from testbed.plan.expectation import Outcome, OutcomeWord
from testbed.verdict.checks import CONDITION_NOT_SEEN
from testbed.verdict.figures import total_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from testbed.verdict.figures import Figures
    from testbed.verdict.judge import Judgement
    from testbed.verdict.latency import Latency

MOST = 10**9  # of anything that is counted: more is a mistake in a file
Count = Annotated[int, Field(ge=0, le=MOST)]
LONGEST_SHOWN = 20  # characters of a wrong text in a message
CrackLevel = Annotated[int, Field(ge=0, le=6)]
Seconds = Annotated[float, Field(ge=0, le=MOST)]
RANK: dict[str, int] = {word.value: word.rank for word in Outcome}
UNSEEN = ("not_seen_to_come_back", "delay_longer_than_seen")  # codes of replays that are believed, and show no outcome


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
            raise ValueError(f"found {shortened(value, LONGEST_SHOWN)!r}; allowed: a count and a total, such as '77/83'")
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


class Reason(BaseModel):
    """Why a cell is what it is: a code and a sentence.

    The code is that of the verdict's reason, `doubted` (the replay cannot be believed) or `not_replayed`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    text: str


class Waited(BaseModel):
    """How long the passengers of a caller waited for an answer, in tenths of a real second, from when their request was due.

    `count`: how many were answered, or never were. None: never, or nobody asked. See `verdict/latency.py`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: Count
    median_s: Seconds | None
    p90_s: Seconds | None
    p99_s: Seconds | None
    longest_s: Seconds | None


class Slowest(BaseModel):
    """The longest median and the longest 99th percentile of all callers, in seconds; None: never."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    median_s: Seconds | None
    p99_s: Seconds | None


class Replay(BaseModel):
    """One replay of a cell, as much of it as the gate compares.

    `code`: that of the reason, if the outcome is unknown. `answered`: of all transactions due after the first fault; None: its figures were
    not kept, or cannot be believed. `waited`: None if it was not measured. `recovery_s`: None: not within the night.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: OutcomeWord | None
    crack: CrackLevel
    code: str = ""
    answered: Part | None = None
    waited: Slowest | None = None
    recovery_s: Count | None = None

    @property
    def is_believed(self) -> bool:
        """Whether it says something of the variant, if only that nobody saw whether service came back."""
        return self.outcome is not None or self.code in UNSEEN

    @property
    def result(self) -> tuple[OutcomeWord | None, int]:
        """Outcome and crack."""
        return self.outcome, self.crack


class Tally(BaseModel):
    """How many replays of a cell came out with this outcome (None: unknown, and `code` may say why) and crack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: OutcomeWord | None
    crack: CrackLevel
    times: Annotated[int, Field(ge=1, le=MOST)]
    code: str = ""


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
    whether that took no restart by hand. Times are whole seconds. `reason`: why it is what it is. `waited`: by caller, for how long after
    the first fault (all night, if there was none). `replays`: each of them, if there were several. `tallies`: how often it came out as
    what in those of which no more was kept, as before there was `replays`. Kept cells from before have no `reason` and no `waited`.
    `breakers`: None if the variant has no circuit breakers, or their counts were not recorded.
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
    reason: Reason | None = None
    waited: dict[str, Waited] = {}
    replays: tuple[Replay, ...] = ()
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
    def each(self) -> tuple[Replay, ...]:
        """Every replay of it, also those of which only a tally was kept: of these one has figures, those of the cell."""
        tallied = [Replay(outcome=tally.outcome, crack=tally.crack, code=tally.code) for tally in self.tallies for _ in range(tally.times)]
        own = next((index for index, replay in enumerate(tallied) if replay.result == self.result), None)
        if own is not None and self.reason is None:
            tallied[own] = self._alone()
        return (*tallied, *self.replays) or (self._alone(),)

    def _alone(self) -> Replay:
        replay = Replay(
            outcome=self.outcome,
            crack=self.crack,
            code=self.reason.code if self.reason is not None and self.outcome is None else "",
            answered=self.all_answered,
            waited=_slowest(self.waited.values()),
            recovery_s=self.recovery_s,
        )
        return replay if replay.is_believed else Replay(outcome=None, crack=self.crack, code=replay.code)

    @property
    def counts(self) -> tuple[Tally, ...]:
        """How often it came out as what, if it was replayed more than once."""
        each = self.each
        return _tallied(Counter((replay.outcome, replay.crack, replay.code) for replay in each)) if len(each) > 1 else ()

    @property
    def agreeing(self) -> Part | None:
        """How many of its replays had its outcome, of those that can be believed; None if all had, or there was only one."""
        each = [replay for replay in self.each if replay.is_believed]
        same = sum(replay.outcome == self.outcome for replay in each)
        return None if same == len(each) else Part(count=same, of=len(each))

    @property
    def others(self) -> tuple[OutcomeWord | None, ...]:
        """The other outcomes of its replays that can be believed, the most frequent first."""
        times = Counter(replay.outcome for replay in self.each if replay.is_believed and replay.outcome != self.outcome)
        return tuple(outcome for outcome, _ in times.most_common())

    @property
    def result(self) -> tuple[OutcomeWord | None, int]:
        """Outcome and crack."""
        return self.outcome, self.crack

    @property
    def word(self) -> str:
        """The outcome as a word."""
        return self.outcome or "unknown"


def unknown(scenario: str, runtime: str, variant: str, why: str) -> Cell:
    """Return the cell of a replay that cannot be judged."""
    text = why or "no reason is known"
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
        unknown=text,
        reason=Reason(code="not_replayed", text=text),
    )


def most_of(cells: Sequence[Cell]) -> Cell:
    """Return the cell of several replays: the first that came out as most did (in a tie as the worst), with a record of all.

    All count: what is believed and shows no outcome, too. A replay that cannot be believed is kept on record, and decides nothing, as long
    as one can be believed.
    """
    if len(cells) == 1:
        return cells[0]
    each = [replay for cell in cells for replay in cell.each]
    times = Counter(replay.result for replay in each if replay.is_believed) or Counter(replay.result for replay in each)
    believed = [cell for cell in cells if cell.result in times and any(replay.is_believed for replay in cell.each)] or list(cells)
    chosen = max(believed, key=lambda cell: (times[cell.result], (-1, 0) if cell.outcome is None else cell.badness))
    return chosen.model_copy(update={"tallies": _tallies(cells), "replays": _replays(cells)})


def _replays(cells: Sequence[Cell]) -> tuple[Replay, ...]:
    return tuple(replay for cell in cells for replay in (cell.replays or (() if _has_no_reason(cell) else cell.each)))


def _tallies(cells: Sequence[Cell]) -> tuple[Tally, ...]:
    """Return how often the cells of old files came out as what."""
    times: Counter[tuple[OutcomeWord | None, int, str]] = Counter()
    for cell in cells:
        alone = {(*cell.result, ""): 1} if _has_no_reason(cell) and not (cell.tallies or cell.replays) else {}
        times.update({(tally.outcome, tally.crack, tally.code): tally.times for tally in cell.tallies} or alone)
    return _tallied(times)


def _tallied(times: Counter[tuple[OutcomeWord | None, int, str]]) -> tuple[Tally, ...]:
    """Return the tallies of outcome, crack and code, in order."""
    tallies = (Tally(outcome=word, crack=level, times=count, code=code) for (word, level, code), count in times.items())
    return tuple(sorted(tallies, key=lambda tally: (tally.outcome or "unknown", tally.crack, tally.code)))


def _has_no_reason(cell: Cell) -> bool:
    """Whether it is a cell from before there were reasons, or was put together of such ones."""
    return cell.reason is None or bool(cell.tallies)


def of(judgement: Judgement) -> Cell:
    """Return the cell of a judgement; a replay that cannot be believed has no outcome."""
    figures = judgement.figures
    header, blocked = figures.header, figures.blocked_request_threads
    facility = header.facility
    # A restart that waited for a hang which never came is no doubt here: the variant did not need it.
    doubts = [finding.text for finding in judgement.doubts if finding.code != CONDITION_NOT_SEEN]
    found = judgement.reason
    reason = Reason(code="doubted", text="; ".join(doubts)) if doubts else Reason(code=found.code, text=found.text)
    outcome: OutcomeWord | None = None if doubts or judgement.outcome is None else judgement.outcome.value
    leaked = [count for count in figures.leaked_connections.values() if count is not None]
    recovered = figures.recovery
    return Cell(
        scenario=header.scenario,
        runtime=header.runtime,
        variant=header.variant,
        outcome=outcome,
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
        unknown="" if outcome else reason.text,
        reason=reason,
        waited={caller: _waited(halves[figures.judged_half]) for caller, halves in sorted(figures.latency.items())},
        breakers=_breakers(figures),
    )


def _breakers(figures: Figures) -> Breakers | None:
    counts = [told for told in figures.breakers.values() if told is not None]
    if not counts or len(counts) < len(figures.breakers):
        return None
    total = total_of(counts)
    return Breakers(opened=total.opened, let_through=total.let_through, refused=total.refused)


def _part(count: int, of: int) -> Part:
    """Return the part; a pool with an overflow may lose more connections than it has by its size, and then the total is what was lost."""
    return Part(count=count, of=max(count, of))


def _answered(figures: Figures) -> dict[str, Part]:
    half = figures.judged_half
    return {
        f"{caller} {name}": Part(count=ends[half]["answered"], of=sum(ends[half].values()))
        for caller, kinds in sorted(figures.transactions.items())
        for name, ends in sorted(kinds.items())
    }


def _waited(latency: Latency) -> Waited:
    return Waited(
        count=latency.answered + latency.unanswered,
        median_s=_tenths(latency.median_s),
        p90_s=_tenths(latency.p90_s),
        p99_s=_tenths(latency.p99_s),
        longest_s=_tenths(latency.longest_s),
    )


def _slowest(callers: Iterable[Waited]) -> Slowest | None:
    """Return what the passengers of the slowest caller waited; None if nobody waited for anything."""
    asked = [waited for waited in callers if waited.count]
    if not asked:
        return None
    return Slowest(median_s=_longest(waited.median_s for waited in asked), p99_s=_longest(waited.p99_s for waited in asked))


def _longest(seconds: Iterable[float | None]) -> float | None:
    several = list(seconds)
    return None if None in several else max(each for each in several if each is not None)


def _tenths(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)
