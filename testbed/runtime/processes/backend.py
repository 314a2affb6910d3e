"""The processes backend: facilities as processes of this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.facility.backend import Backend
from testbed.runtime.processes.builder import ProcessesBuilder
from testbed.runtime.processes.runtime import CAPABILITIES
from testbed.runtime.processes.shared_parts import SharedParts

if TYPE_CHECKING:
    from testbed.plan.settings import Settings
    from testbed.plan.topology import FacilityPlan


@dataclass(slots=True)
class ProcessesBackend(SharedParts, Backend):
    """Builds each facility beside the parts that all replays of a batch share."""

    name: str = field(default="processes", init=False)
    capabilities: frozenset[str] = field(default=CAPABILITIES, init=False)
    slowdown: float = field(default=1.0, init=False)

    def builder(self, plan: FacilityPlan, settings: Settings) -> ProcessesBuilder:
        """Return the builder of one replay's facility."""
        return ProcessesBuilder(self, plan, settings)
