"""A cell of the containment matrix: what one judgement says of one variant in one scenario. A pure function."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from testbed.checks import CONDITION_NOT_SEEN
from testbed.expectation import Outcome, OutcomeWord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.figures import Figures
    from testbed.verdict import Judgement

Count = Annotated[int, Field(ge=0)]
RANK: dict[str, int] = {word.value: word.rank for word in Outcome}


class Part(BaseModel):
    """So many of so many."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: Count
    of: Count

    @property
    def share(self) -> float | None:
        """The share, 0 to 1; None of nothing."""
        return self.count / self.of if self.of else None


class Cell(BaseModel):
    """What became of a variant in a scenario on a runtime.

    `outcome` is None where it cannot be told, and `unknown` says why. `kept`: transactions answered of those due after the first fault
    (of all, where there was none), by "caller transaction". `leaked`: connections that nobody will return, at the end, of all
    connections. `blocked`: request threads of servers and callers that were blocked when it was worst. `green`: health checks.
    `hang_night_s`: the night's seconds from the fault to the hang. `recovery_s` and `recovery_night_s`: from the fault to the last
    transaction that was not answered, in real seconds and in the night's, where all callers were served again after it; `by_itself`
    tells whether without a restart by hand. `wall_s`: real seconds for the replay.
    `seen`: where it was replayed more than once, how often it came out as which outcome and crack ("contained 2").
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenario: str
    runtime: str
    variant: str
    outcome: OutcomeWord | None
    crack: Annotated[int, Field(ge=0, le=6)]
    kept: dict[str, Part]
    leaked: Part
    blocked: dict[str, Part]
    green: Part
    hang_night_s: float | None = None
    recovery_s: float | None = None
    recovery_night_s: float | None = None
    by_itself: bool | None = None
    unknown: str = ""
    wall_s: float = 0.0
    seen: dict[str, Count] = {}

    @property
    def column(self) -> tuple[str, str]:
        """The column: scenario and runtime."""
        return self.scenario, self.runtime

    @property
    def key(self) -> tuple[str, str, str]:
        """Scenario, runtime and variant."""
        return self.scenario, self.runtime, self.variant

    @property
    def all_kept(self) -> Part:
        """The transactions of all kinds."""
        return Part(count=sum(part.count for part in self.kept.values()), of=sum(part.of for part in self.kept.values()))

    @property
    def badness(self) -> tuple[int, int]:
        """How bad it is: by outcome, then by how far the crack went. Raises ValueError where the outcome cannot be told."""
        if self.outcome is None:
            raise ValueError(f"{self.scenario} {self.variant}: the outcome cannot be told")
        return RANK[self.outcome], self.crack

    @property
    def worst(self) -> tuple[int, int]:
        """How bad it is at its worst, of all that was seen of it."""
        told = [one.split() for one in self.seen]
        return max([self.badness, *((RANK[word], int(crack)) for word, crack in told if word in RANK)])

    @property
    def result(self) -> str:
        """Outcome and crack, as `seen` counts them."""
        return f"{self.word} {self.crack}"

    @property
    def word(self) -> str:
        """The outcome in a word."""
        return self.outcome or "unknown"


def unknown(scenario: str, runtime: str, variant: str, why: str) -> Cell:
    """Make the cell of a replay that cannot be judged."""
    nothing = Part(count=0, of=0)
    return Cell(
        scenario=scenario,
        runtime=runtime,
        variant=variant,
        outcome=None,
        crack=0,
        kept={},
        leaked=nothing,
        blocked={},
        green=nothing,
        unknown=why or "no reason is known",
    )


def most_of(cells: Sequence[Cell]) -> Cell:
    """Make one cell of several replays: the first of those that came out as most did (among equals as the worst), and what was seen."""
    seen: Counter[str] = Counter()
    for one in cells:
        seen.update(one.seen or {one.result: 1})
    told = [one for one in cells if one.outcome is not None] or list(cells)
    chosen = max(told, key=lambda one: (seen[one.result], one.outcome is not None and one.badness))
    return chosen.model_copy(update={"seen": dict(sorted(seen.items())) if len(seen) > 1 or len(cells) > 1 else {}})


def of(judgement: Judgement, wall_s: float) -> Cell:
    """Return what a judgement means for the matrix. A replay that cannot be believed is no outcome, whatever it looks like."""
    figures = judgement.figures
    header, blocked = figures.header, figures.blocked_request_threads
    facility = header.facility
    # A hand that stood by for a hang that never came is no doubt here: that it was not needed is what the variant shows.
    why = [finding.text for finding in judgement.doubts if finding.code != CONDITION_NOT_SEEN]
    if judgement.outcome is None and not why:
        why = ["neither served again nor out of service by the night's end"]
    leaked, recovered, checks = figures.leaked_connections, figures.recovery, figures.health.values()
    return Cell(
        scenario=header.scenario,
        runtime=header.runtime,
        variant=header.variant,
        outcome=None if why or judgement.outcome is None else judgement.outcome.value,
        crack=judgement.crack.value,
        kept=_kept(figures),
        leaked=Part(count=sum(leaked.values()), of=facility.pool_size * len(leaked)),
        blocked={
            role: Part(count=sum(blocked[name] for name in names), of=facility.request_threads * len(names))
            for role, names in (("servers", facility.application_servers), ("callers", facility.callers))
        },
        green=Part(count=sum(check.green for check in checks), of=sum(check.count for check in checks)),
        hang_night_s=_rounded(figures.time_to_hang_night_s),
        recovery_s=_rounded(recovered.took_s if recovered else None),
        recovery_night_s=_rounded(recovered.took_night_s if recovered else None),
        by_itself=None if recovered is None else not figures.restarted_by_hand,
        unknown="; ".join(why),
        wall_s=round(wall_s, 2),
    )


def _kept(figures: Figures) -> dict[str, Part]:
    half = "before" if figures.first_fault is None else "after"
    return {
        f"{caller} {name}": Part(count=ends[half]["answered"], of=sum(ends[half].values()))
        for caller, kinds in sorted(figures.transactions.items())
        for name, ends in sorted(kinds.items())
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
