"""A prevention that a class chose, tried: the kept night replayed over the chosen variant, and what became of the airline.

The only part of the inquiry that acts. It replays as `testbed replay` does, with a facility of its own beside that of the class, and keeps
its journal where the others are.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from testbed import scenario_file
from testbed.classroom.saying import say
from testbed.errors import TestbedError, UsageError
from testbed.experiments import attempts, batch
from testbed.experiments.matrix import folder
from testbed.experiments.planned import planned
from testbed.plan import package_data
from testbed.plan.expectation import Expectation, Outcome
from testbed.replay.display import SilentDisplay
from testbed.verdict.checks import CONDITION_NOT_SEEN
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from testbed.classroom.saying import Told
    from testbed.experiments.matrix.cell import Cell
    from testbed.facility.address import Address
    from testbed.plan.scenario import Scenario
    from testbed.verdict.judge import Judgement
    from testbed.verdict.result import Result

UNKNOWN, OUTCOME = "unknown", "outcome"  # the second: the word of its check
GOOD = (Outcome.UNHARMED, Outcome.CONTAINED)
CONTAINED = Expectation(outcome=("unharmed", "contained"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a class replays, as the command line has it: on which runtime, and with whose fault proxy and database server, if any."""

    runtime: str = "processes"
    toxiproxy: Address | None = None
    postgres: str | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the airline over a variant, and why, in the verdict's words if it has any; `crack` is None where that is not known.

    `held`: whether the prevention did: the airline was not grounded, and nothing else was missed that is expected of it. None: that is not
    known, or not yet.
    """

    outcome: str
    crack: int | None
    verdict: str
    text: Told
    held: bool | None = None
    running: bool = False

    def data(self) -> dict[str, Any]:
        """Return the state value `replays.VARIANT`."""
        return {"running": self.running, "outcome": self.outcome, "crack": self.crack, "verdict": self.verdict, "text": self.text}


def running(variant: str) -> Replayed:
    """Return what is known of a replay that has begun: nothing yet."""
    return Replayed(UNKNOWN, None, UNKNOWN, say("being_replayed", variant=variant), running=True)


async def replay(scenario: Scenario, variant: str, place: Place, runs: Path | None = None) -> Replayed:
    """Replay a night over a variant, its own or a kept one, and return what became of the airline.

    Where that is unknown, or the replay cannot be believed, as on a busy machine, it is tried again, `attempts.ATTEMPTS` times at most.
    Raises nothing for a variant that is not there or a facility that fails: that is unknown, with why. Cancelled, it takes everything down
    first. `runs` takes the journals, and `latest` there still leads to the class, or to whatever else has begun since.
    """

    async def attempt(_: int) -> Result:
        plan, backend = batch.placed(
            planned(scenario, (variant,)), place.runtime, as_fast=False, toxiproxy=place.toxiproxy, postgres=place.postgres
        )
        async with batch.started(plan, backend, 1, runs, lambda _: nullcontext(SilentDisplay()), leads=False) as (results, _directory):
            return await anext(results)

    try:
        result = await attempts.replay_until_known(attempt, lambda result: not _doubt(result.judgement))
    except TestbedError as error:
        return Replayed(UNKNOWN, None, UNKNOWN, say("could_not_be_replayed", why=str(error)))
    return became(result.judgement)


def became(judgement: Judgement) -> Replayed:
    """Return what became of the airline in a night, and whether that holds: unknown where the replay cannot be believed."""
    if (doubt := _doubt(judgement)) or judgement.outcome is None:
        return Replayed(UNKNOWN, None, judgement.verdict.value, say("became_unknown", why=doubt))
    missed = [finding for finding in judgement.findings if finding.verdict is not Verdict.HELD and finding.code != CONDITION_NOT_SEEN]
    broken = judgement.outcome not in GOOD or any(finding.verdict is Verdict.BROKEN for finding in missed)
    held = False if broken else None if missed else True
    # What keeps it from holding comes first: the page folds what is long.
    text = "; ".join([*(finding.text for finding in missed if finding.check != OUTCOME), judgement.reason.text])
    return Replayed(judgement.outcome.value, int(judgement.crack), judgement.verdict.value, f"{text}.", held)


def _doubt(judgement: Judgement) -> str:
    """Return why the outcome of a replay is not known, empty if it is; a restart that waited for a hang which never came was not needed."""
    doubts = [finding.text for finding in judgement.doubts if finding.code != CONDITION_NOT_SEEN]
    return doubts[0] if doubts else judgement.reason.text if judgement.outcome is None else ""


def measured(scenario: str, runtime: str, holds: Expectation = CONTAINED) -> dict[str, bool | None]:
    """Return whether each variant holds a night, as the kept matrix has it; nothing where it has no such night.

    `holds`: what is expected of one that does. The matrix has the outcome and the crack; whether anything else holds is not known.
    """
    try:
        matrix = folder.read(package_data.directory("scenarios") / "containment", scenario_file.kept_variants(used=()))
    except UsageError:
        return {}
    return {cell.variant: _holds(cell, holds) for cell in matrix.cells if cell.column == (scenario, runtime)}


def _holds(cell: Cell, holds: Expectation) -> bool | None:
    if cell.outcome is None:
        return None
    if cell.outcome not in holds.outcome or (holds.crack is not None and cell.crack not in holds.crack):
        return False
    return None if set(holds.checks) - {OUTCOME, "crack"} else True


def held(variants: Iterable[str], replays: Mapping[str, Replayed], kept: Mapping[str, bool | None] | None = None) -> dict[str, bool | None]:
    """Return whether each variant held: as it was replayed, or where that is not known, as the kept matrix has it (`measured`)."""
    known = kept or {}
    told = {variant: replays[variant].held if variant in replays else None for variant in variants}
    return {variant: known.get(variant) if was_held is None else was_held for variant, was_held in told.items()}
