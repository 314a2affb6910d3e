"""The containers backend: facilities as compose projects on a container engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.facility.backend import Backend
from testbed.runtime.containers.builder import ContainersBuilder
from testbed.runtime.containers.project_pool import ProjectPool
from testbed.runtime.containers.runtime import CAPABILITIES

if TYPE_CHECKING:
    from testbed.plan.settings import Settings
    from testbed.plan.topology import FacilityPlan

SLOWDOWN = 2.0  # each step is behind a command of the engine and more hops of the network


@dataclass(slots=True)
class ContainersBackend(ProjectPool, Backend):
    """Builds each facility in a compose project, one of the pool that fits where there is one."""

    name: str = field(default="containers", init=False)
    capabilities: frozenset[str] = field(default=CAPABILITIES, init=False)
    slowdown: float = field(default=SLOWDOWN, init=False)

    def builder(self, plan: FacilityPlan, settings: Settings) -> ContainersBuilder:
        """Return the builder of one replay's facility."""
        return ContainersBuilder(self, plan, settings)
