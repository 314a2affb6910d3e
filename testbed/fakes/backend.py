"""The fake backend: makes fake builders, and keeps them for a test to look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from testbed.facility.backend import Backend
from testbed.fakes.builder import FakeBuilder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from testbed.errors import FacilityError
    from testbed.plan.settings import Settings
    from testbed.plan.topology import FacilityPlan


@dataclass(slots=True)
class FakeBackend(Backend):
    """Makes a `FakeBuilder` for each replay.

    `failures`: what the builders raise in place of a facility, in the order in which they are made; None, and the end of it, for one that
    builds. `ineffective`: see `FakeBuilder`. `builders`: those that were made. `calls`: `enter` and `exit`, as they came.
    """

    name: str = "fakes"
    capabilities: frozenset[str] = frozenset()
    slowdown: float = 1.0
    versions: Mapping[str, str] = field(default_factory=lambda: {"postgresql": "none"})
    failures: Sequence[FacilityError | None] = ()
    ineffective: bool = False
    builders: list[FakeBuilder] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        """Note it; there is nothing to be shared."""
        self.calls.append("enter")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Note it."""
        self.calls.append("exit")

    def builder(self, plan: FacilityPlan, settings: Settings) -> FakeBuilder:
        """Return a new builder; raises UsageError for settings that are not modelled."""
        number = len(self.builders)
        broken = self.failures[number] if number < len(self.failures) else None
        self.builders.append(FakeBuilder(plan, settings, ineffective=self.ineffective, broken=broken))
        return self.builders[-1]
