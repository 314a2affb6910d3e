"""Replays what a scan has planned: the only part of it with effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import TestbedError
from testbed.experiments.attempts import map_until_known
from testbed.experiments.batch import replay_once
from testbed.experiments.scan import effect
from testbed.experiments.scan.effect import Effect, VariantScan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testbed.experiments.scan.plan import Injection, ScanPlan
    from testbed.facility.backend import Backend

CONTROL_DIRECTORY = "control"


@dataclass(frozen=True, slots=True)
class ScanBatch:
    """The replays of a scan: its plan, the backend, which has to be entered, the directory of the journals, and how often each is made."""

    plan: ScanPlan
    backend: Backend
    directory: Path
    repetitions: int = 1

    async def scan(
        self, jobs: int, report: Callable[[str, Effect], None], report_again: Callable[[str, Effect], None] = lambda *_: None
    ) -> tuple[VariantScan, ...]:
        """Replay every injection, `jobs` at a time; call `report` with the variant and the effect of each as it is known or given up.

        `report_again` is called with each that is unknown and will be replayed again. Each injection is replayed `repetitions` times.
        """

        async def attempt(repeated: tuple[int, Injection], number: int) -> tuple[str, Effect]:
            repetition, injection = repeated
            return injection.variant, await self._replay(injection, repetition, number)

        done = await map_until_known(
            [(repetition, injection) for injection in self.plan.breaks for repetition in range(1, self.repetitions + 1)],
            jobs,
            attempt,
            lambda replayed: replayed[1].unknown or "no reason is known" if replayed[1].effect == effect.UNKNOWN else "",
            lambda replayed, _: report(*replayed),
            lambda replayed: report_again(*replayed),
        )
        return tuple(self._over(variant, [effect for name, effect in done if name == variant]) for variant in self.plan.points)

    def _over(self, variant: str, replays: list[Effect]) -> VariantScan:
        number = self.repetitions
        control, *broken = (effect.together(replays[first : first + number]) for first in range(0, len(replays), number))  # as planned
        kept = tuple(replays) if number > 1 else ()
        return VariantScan(variant=variant, points=self.plan.points[variant], control=control, effects=tuple(broken), replays=kept)

    async def _replay(self, injection: Injection, repetition: int, attempt: int) -> Effect:
        """Replay once; the effect of an injection that cannot be replayed is unknown, with the reason."""
        name = f"{injection.link}-{injection.fault}" if injection.link else CONTROL_DIRECTORY
        name = name if repetition == 1 else f"{name}-{repetition}"
        directory = self.directory / (name if attempt == 1 else f"{name}-again-{attempt}")
        try:
            result = await replay_once(injection.scenario, self.plan.sent, self.backend, directory)
        except TestbedError as error:
            return Effect(link=injection.link, fault=injection.fault, effect="unknown", unknown=str(error) or "no reason is known")
        return effect.of(result.journal, result.judgement, injection.link, injection.fault, self.plan.transaction, result.wall_s)
