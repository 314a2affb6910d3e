"""What one journal tells of a link that was broken: whether the transaction goes on. A pure function of the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from testbed.journal.events import OperationEvent
from testbed.plan.expectation import OutcomeWord
from testbed.plan.topology import IntegrationPoint
from testbed.verdict.checks import ALWAYS
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal, Transaction
    from testbed.verdict.judge import Judgement

STOPS, HURTS, GOES_ON, UNKNOWN = "stops", "hurts", "goes on", "unknown"
Count = Annotated[int, Field(ge=0)]


class ScanRecord(BaseModel):
    """A frozen record."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Effect(ScanRecord):
    """What became of the transaction while a link had a fault; no link and the fault `nothing` is the control run.

    `due`: how many were due in the second half of the time from when the fault had bitten to the night's end, by the night's clock, so that
    what it takes the crack to get there is over. `answered`: how many of those were, before anything was healed. `effect`: `stops` (none of
    them), `hurts` (some), `goes on` (all), or `unknown`, and then `unknown` says why. `outcome` and `crack` are the airline's, null where
    they cannot be told. `journal`: its path, empty where there is none. `wall_s`: real seconds for the replay.
    """

    link: str
    fault: str
    effect: Literal["stops", "hurts", "goes on", "unknown"]
    answered: Count = 0
    due: Count = 0
    outcome: OutcomeWord | None = None
    crack: Annotated[int, Field(ge=0, le=6)] | None = None
    unknown: str = ""
    journal: str = ""
    wall_s: float = 0.0


class VariantScan(ScanRecord):
    """A variant's scan: its map of integration points, its control run, and the effect of each fault on each link."""

    variant: str
    points: tuple[IntegrationPoint, ...]
    control: Effect
    effects: tuple[Effect, ...]

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator above a property
    @property
    def single_points(self) -> dict[str, tuple[str, ...]]:
        """The links at which at least one fault stops the transaction, with these faults, in the order of the map."""
        stopped = {
            point.link: tuple(one.fault for one in self.effects if (one.link, one.effect) == (point.link, STOPS)) for point in self.points
        }
        return {link: faults for link, faults in stopped.items() if faults}

    @property
    def all_told(self) -> bool:
        """Whether every effect is known, and with nothing broken nothing was amiss."""
        return self.control.effect == GOES_ON and all(one.effect != UNKNOWN for one in self.effects)


class Scan(ScanRecord):
    """A whole scan, as `--json` writes it: format, the command, scenario, runtime and transaction, what was left out, and each variant."""

    scan: Literal[1] = 1
    made_by: str
    scenario: str
    runtime: str
    transaction: str
    left_out: tuple[str, ...]
    variants: tuple[VariantScan, ...]


def of(journal: Journal, judgement: Judgement, link: str, fault: str, transaction: str, wall_s: float) -> Effect:
    """Tell what a journal means for the scan. One that cannot be believed, or whose fault did not bite, tells nothing, however it looks."""
    doubts = [one.text for one in judgement.findings if one.check in ALWAYS and one.verdict is not Verdict.HELD]
    asked = _asked(journal, transaction)
    if not asked and not doubts:
        doubts = [f"no {transaction} was due in the second half of the time from the fault to the night's end"]
    answered = sum(one.ended == "answered" for one in asked)
    told = STOPS if not answered else GOES_ON if answered == len(asked) else HURTS
    return Effect(
        link=link,
        fault=fault,
        effect=UNKNOWN if doubts else told,  # type: ignore[arg-type]  # one of the four words
        answered=answered,
        due=len(asked),
        outcome=judgement.outcome,  # type: ignore[arg-type]  # one of the three words
        crack=judgement.crack,
        unknown="; ".join(doubts),
        journal=str(journal.path),
        wall_s=round(wall_s, 2),
    )


def _asked(journal: Journal, transaction: str) -> list[Transaction]:
    """Give the transactions that are looked at."""
    ends = [one for one in journal.of(OperationEvent) if one.state == "end"]
    if not ends:
        return []
    half_s = (ends[0].night_s + journal.header.night.to_s) / 2
    return [one for one in journal.transactions if one.request.transaction == transaction and one.request.night_s >= half_s]
