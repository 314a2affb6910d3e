"""Scenarios: nights as data. A file is read, checked and expanded to timed steps without starting anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import Field

from testbed.plan.expectation import Expectation
from testbed.plan.night import NightPlan
from testbed.plan.settings import Settings, StrictRecord
from testbed.plan.topology import FacilityPlan

if TYPE_CHECKING:
    from pathlib import Path


# What a scenario may need of a runtime, whose `capabilities` must have it.
NEEDS = ("backups", "balancers", "containers", "firewall", "heartbeats", "links", "processes", "recovery")
# Expectations, and what a runtime needs to meet them.
EXPECTATION_NEEDS = {"backups": "backups", "ledger": "recovery", "recovery_lag_s": "recovery"}
CONDITIONS = ("hung", "servers_hung", "pool_empty", "recovered")
Weight = Annotated[float, Field(gt=0, le=1_000_000)]


class WorkloadPlan(StrictRecord):
    """What passengers do: seed, mean transactions a minute of the night over its window, and their shares by caller.

    With `trace` (a path relative to the scenario's file), a kept trace replaces the derived one.
    """

    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 1
    rate_per_minute: Annotated[float, Field(gt=0, le=10_000)] = 1.0
    shares: Annotated[dict[str, Annotated[dict[str, Weight], Field(min_length=1)]], Field(min_length=1)]
    trace: str | None = None


class VariantPlan(StrictRecord):
    """A variant in a scenario: its settings, unless `variants.toml` has them, and what is expected of it."""

    settings: Settings | None = None
    expect: Expectation


class PlannedAction(Protocol):
    """A fault or an operation as a plan knows it: a dataclass whose fields are its parameters. `testbed.replay` knows what it does."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step of the timeline: due at a time of the night, or when a condition is seen within `within_s` real seconds."""

    word: str
    action: PlannedAction
    at_night_s: float | None
    when: str | None
    within_s: float


@dataclass(frozen=True, slots=True)
class Variant:
    """A named set of settings, and what a scenario expects of it."""

    name: str
    settings: Settings
    expect: Expectation


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario as it was read and checked. `matrix`: whether the containment matrix has a column for it unless it is named."""

    name: str
    path: Path
    title: str
    summary: str
    facts: tuple[str, ...]
    facility: FacilityPlan
    night: NightPlan
    workload: WorkloadPlan
    steps: tuple[PlannedStep, ...]
    variants: tuple[Variant, ...]
    needs: tuple[str, ...] = ()
    matrix: bool = True

    @property
    def trace_path(self) -> Path | None:
        """The kept trace, when the scenario names one."""
        return None if self.workload.trace is None else self.path.parent / self.workload.trace

    @property
    def longest_timeout_s(self) -> float:
        """The longest that a request hangs at somebody else's service before a time-out of its own ends it; 0 without such a service."""
        return 0.0 if self.facility.service is None else self.facility.service.timeout_s

    def with_overrides(self, *, seed: int | None = None, rate_per_minute: float | None = None, speed: float | None = None) -> Scenario:
        """Return the scenario with the command line's changes; a `speed` holds for the whole night."""
        workload = {"seed": seed, "rate_per_minute": rate_per_minute}
        changes = {name: value for name, value in workload.items() if value is not None}
        night = self.night if speed is None else self.night.model_copy(update={"speed": speed, "pace": ()})
        return replace(self, workload=self.workload.model_copy(update=changes), night=night)

    def slowed(self, times: float) -> Scenario:
        """Return the scenario with a night that is `times` times as slow, for a runtime on which real parts take longer."""
        paces = tuple(pace.model_copy(update={"speed": pace.speed / times}) for pace in self.night.pace)
        return replace(self, night=self.night.model_copy(update={"speed": self.night.speed / times, "pace": paces}))

    def variant(self, name: str) -> Variant:
        """Return the variant of a name; raises KeyError if there is none."""
        return {variant.name: variant for variant in self.variants}[name]

    def only(self, names: tuple[str, ...]) -> Scenario:
        """Return the scenario with the named variants only, in its own order; with all of them when none is named."""
        if not names:
            return self
        return replace(self, variants=tuple(variant for variant in self.variants if variant.name in names))
