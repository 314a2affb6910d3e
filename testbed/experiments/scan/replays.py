"""Replays what a scan has planned: the only part of it with effects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from testbed.concurrency import map_limited
from testbed.errors import TestbedError
from testbed.experiments.batch import replay_once, replay_until_known
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

    async def scan(self, jobs: int, report: Callable[[str, Effect], None]) -> tuple[VariantScan, ...]:
        """Replay every injection, `jobs` at a time; call `report` with the variant and the effect of each as it is done."""

        async def replay(injection: Injection) -> tuple[str, Effect]:
            attempt = partial(self._replay, injection)
            return injection.variant, await replay_until_known(attempt, lambda replayed: replayed.effect != effect.UNKNOWN)

        done = await map_limited(self.plan.breaks, jobs, replay, lambda replayed: report(*replayed))
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
