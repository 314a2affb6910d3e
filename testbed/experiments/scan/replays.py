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
    """The replays of a scan: its plan, the backend, which has to be entered, and the directory of the journals."""

    plan: ScanPlan
    backend: Backend
    directory: Path

    async def scan(
        self, jobs: int, report: Callable[[str, Effect], None], report_again: Callable[[str, Effect], None] = lambda *_: None
    ) -> tuple[VariantScan, ...]:
        """Replay every injection, `jobs` at a time; call `report` with the variant and the effect of each as it is known or given up.

        `report_again` is called with each that is unknown and will be replayed again.
        """

        async def attempt(injection: Injection, number: int) -> tuple[str, Effect]:
            return injection.variant, await self._replay(injection, number)

        done = await map_until_known(
            self.plan.breaks,
            jobs,
            attempt,
            lambda replayed: replayed[1].unknown or "no reason is known" if replayed[1].effect == effect.UNKNOWN else "",
            lambda replayed, _: report(*replayed),
            lambda replayed: report_again(*replayed),
        )
        return tuple(self._over(variant, [effect for name, effect in done if name == variant]) for variant in self.plan.points)

    def _over(self, variant: str, effects: list[Effect]) -> VariantScan:
        control, *broken = effects  # the order of the plan
        return VariantScan(variant=variant, points=self.plan.points[variant], control=control, effects=tuple(broken))

    async def _replay(self, injection: Injection, attempt: int) -> Effect:
        """Replay once; the effect of an injection that cannot be replayed is unknown, with the reason."""
        name = f"{injection.link}-{injection.fault}" if injection.link else CONTROL_DIRECTORY
        directory = self.directory / (name if attempt == 1 else f"{name}-again-{attempt}")
        try:
            result = await replay_once(injection.scenario, self.plan.sent, self.backend, directory)
        except TestbedError as error:
            return Effect(link=injection.link, fault=injection.fault, effect="unknown", unknown=str(error) or "no reason is known")
        return effect.of(result.journal, result.judgement, injection.link, injection.fault, self.plan.transaction, result.wall_s)
