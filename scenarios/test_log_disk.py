"""A disk that takes a log can be full in containers, also when the log has lines already (W7)."""

from __future__ import annotations

import errno
import os

import pytest

from testbed.plan.settings import Settings
from testbed.plan.topology import FacilityPlan
from testbed.runtime.containers.backend import ContainersBackend

FULL = os.strerror(errno.ENOSPC)

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.fact("W7")]


async def test_a_disk_that_is_filled_and_freed_can_be_filled_again() -> None:
    """A server writes a line, loses one for want of space, and writes again: twice."""
    async with ContainersBackend() as backend:
        builder = backend.builder(FacilityPlan(application_servers=1, callers=("ivr",)), Settings())
        try:
            facility = await builder.build()
            disks, address = facility.log_disks, facility.runtime.address("cf-1")
            for _ in range(2):
                assert await disks.log_line_error("cf-1", address) == ""
                await disks.fill("cf-1")
                assert disks.full() == ("cf-1",)
                assert await disks.log_line_error("cf-1", address) == FULL
                await disks.free("cf-1")
            assert await disks.log_line_error("cf-1", address) == ""
            assert disks.full() == ()
        finally:
            await builder.tear_down()
