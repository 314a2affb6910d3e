"""The effect of a broken link on a transaction, computed from a journal. A pure function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from testbed.journal.events import OperationEvent
from testbed.plan.expectation import Outcome, OutcomeWord
from testbed.plan.topology import IntegrationPoint
from testbed.verdict.rate import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.reader import Journal, Transaction
    from testbed.verdict.judge import Judgement

STOPS, HURTS, GOES_ON, UNKNOWN = "stops", "hurts", "goes on", "unknown"
NEEDED = 10  # due in a replay: where none of so many was answered, more than a quarter hardly would be
Count = Annotated[int, Field(ge=0)]


class ScanRecord(BaseModel):
    """A frozen record."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Effect(ScanRecord):
    """What became of the transaction while a link had a fault; no link and the fault `nothing` is the control run.

    `due`: how many were due in the second half of the time from when the fault took effect to the night's end, by the night's clock: in the
    first half the crack may still spread. `answered`: how many of those were, before anything was healed. `low` to `high`: Wilson's 95 %
    interval of the share that is answered, null if the effect is unknown. `effect`: `stops` (none of them), `hurts` (some), `goes on`
    (all), or `unknown`, and then `unknown` says why. `outcome` and `crack` are the airline's, null if unknown. `journal`: its path, empty
    if there is none. `wall_s`: real seconds for the replay.
    """

    link: str
    fault: str
    effect: Literal["stops", "hurts", "goes on", "unknown"]
    answered: Count = 0
    due: Count = 0
    low: Annotated[float, Field(ge=0, le=1)] | None = None
    high: Annotated[float, Field(ge=0, le=1)] | None = None
    outcome: OutcomeWord | None = None
    crack: Annotated[int, Field(ge=0, le=6)] | None = None
    unknown: str = ""
    journal: str = ""
    wall_s: float = 0.0


class VariantScan(ScanRecord):
    """A variant's scan: its map of integration points, its control run, and the effect of each fault on each link.

    Where each was replayed several times, `replays` has them all, and each effect is that of its replays together.
    """

    variant: str
    points: tuple[IntegrationPoint, ...]
    control: Effect
    effects: tuple[Effect, ...]
    replays: tuple[Effect, ...] = ()

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator above a property
    @property
    def single_points(self) -> dict[str, tuple[str, ...]]:
        """The links at which at least one fault stops the transaction, with these faults, in the order of the map."""
        stopped = {
            point.link: tuple(effect.fault for effect in self.effects if (effect.link, effect.effect) == (point.link, STOPS))
            for point in self.points
        }
        return {link: faults for link, faults in stopped.items() if faults}

    @property
    def is_conclusive(self) -> bool:
        """Whether every effect is known, and the transaction went on in the control run."""
        return self.control.effect == GOES_ON and all(effect.effect != UNKNOWN for effect in self.effects)


class Scan(ScanRecord):
    """A whole scan, as `--json` writes it: format, the command, scenario, runtime and transaction, what was left out, and each variant."""

    scan: Literal[1] = 1
    made_by: str
    scenario: str
    runtime: str
    transaction: str
    left_out: tuple[str, ...]
    variants: tuple[VariantScan, ...]


def together(replays: Sequence[Effect]) -> Effect:
    """Return the effect of several replays of one injection: unknown if that of one is.

    The counts are summed. Requests of one replay share its fate, so the interval is not one of the sums: it goes from the least to the most
    that any of the replays allows. `outcome` and `crack` are the worst, null if one is; `journal` is of the first replay.
    """
    if len(replays) == 1:
        return replays[0]
    unknown = [replay for replay in replays if replay.effect == UNKNOWN]
    answered, due = sum(replay.answered for replay in replays), sum(replay.due for replay in replays)
    outcomes = [replay.outcome for replay in replays if replay.outcome is not None]
    cracks = [replay.crack for replay in replays if replay.crack is not None]
    values: dict[str, Any] = {
        "effect": UNKNOWN if unknown else _word(answered, due),
        "answered": answered,
        "due": due,
        "low": None if unknown else min(replay.low for replay in replays if replay.low is not None),
        "high": None if unknown else max(replay.high for replay in replays if replay.high is not None),
        "outcome": max(outcomes, key=lambda outcome: Outcome(outcome).rank) if len(outcomes) == len(replays) else None,
        "crack": max(cracks) if len(cracks) == len(replays) else None,
        "unknown": f"{len(unknown)} of {len(replays)} replays: {unknown[0].unknown}" if unknown else "",
        "wall_s": round(sum(replay.wall_s for replay in replays), 2),
    }
    return replays[0].model_copy(update=values)


def of(journal: Journal, judgement: Judgement, link: str, fault: str, transaction: str, wall_s: float) -> Effect:
    """Return the effect that a journal shows: unknown if the replay cannot be believed, or the fault did not take effect."""
    doubts = [finding.text for finding in judgement.doubts]
    due = _due(journal, transaction)
    if not due and not doubts:
        doubts = [f"no {transaction} was due in the second half of the time from the fault to the night's end"]
    elif len(due) < NEEDED and not doubts:
        doubts = [
            f"only {len(due)} {transaction} were due in the second half of the time from the fault to the night's end, {NEEDED} are needed"
        ]
    answered = sum(request.ended == "answered" for request in due)
    low, high = (None, None) if doubts else wilson(answered, len(due))
    return Effect(
        link=link,
        fault=fault,
        effect=UNKNOWN if doubts else _word(answered, len(due)),  # type: ignore[arg-type]  # one of the four words
        answered=answered,
        due=len(due),
        low=low,
        high=high,
        outcome=judgement.outcome,  # type: ignore[arg-type]  # one of the three words
        crack=judgement.crack,
        unknown="; ".join(doubts),
        journal=str(journal.path),
        wall_s=round(wall_s, 2),
    )


def _word(answered: int, due: int) -> str:
    return STOPS if not answered else GOES_ON if answered == due else HURTS


def _due(journal: Journal, transaction: str) -> list[Transaction]:
    """Return the transactions of a kind that were due in the second half."""
    ends = [event for event in journal.of(OperationEvent) if event.state == "end"]
    if not ends:
        return []
    half_s = (ends[0].night_s + journal.header.night.to_s) / 2
    return [sent for sent in journal.transactions if sent.request.transaction == transaction and sent.request.night_s >= half_s]
