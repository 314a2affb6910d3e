"""A facility that a test builds for itself, on either runtime."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from testbed.runtime.containers.backend import ContainersBackend
from testbed.runtime.processes.backend import ProcessesBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testbed.facility.facility import Facility
    from testbed.plan.settings import Settings
    from testbed.plan.topology import FacilityPlan
    from testbed.runtime.containers.builder import ContainersBuilder
    from testbed.runtime.processes.builder import ProcessesBuilder


@asynccontextmanager
async def built(where: str, plan: FacilityPlan, settings: Settings) -> AsyncIterator[tuple[ProcessesBuilder | ContainersBuilder, Facility]]:
    """Build a facility, and take it down at the end; yield it with its builder."""
    async with ProcessesBackend() if where == "processes" else ContainersBackend() as backend:
        builder = backend.builder(plan, settings)
        try:
            yield builder, await builder.build()
        finally:
            await builder.tear_down()
