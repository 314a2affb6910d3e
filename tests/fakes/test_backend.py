from __future__ import annotations

import pytest

from testbed.errors import ServiceError, UsageError
from testbed.facility.backend import Backend
from testbed.fakes.backend import FakeBackend
from testbed.fakes.virtual_time import run
from testbed.plan.settings import ServerSettings, Settings
from testbed.plan.topology import FacilityPlan

PLAN = FacilityPlan(application_servers=1, request_threads=3, pool_size=2, callers=("kiosk",))


async def built(backend: Backend, plan: FacilityPlan = PLAN) -> tuple[str, ...]:
    """Build a facility and take it down; gives the names of its services."""
    async with backend:
        builder = backend.builder(plan, Settings())
        try:
            return (await builder.build()).services
        finally:
            await builder.tear_down()


def test_a_fake_backend_is_a_backend_and_keeps_what_it_made() -> None:
    """Its builders build by the plan, and it notes when it is entered and left."""
    backend = FakeBackend()
    assert run(built(backend)) == ("cf-1", "kiosk")
    assert [builder.calls for builder in backend.builders] == [["build", "tear_down"]]
    assert backend.calls == ["enter", "exit"]


def test_builders_fail_in_the_order_of_the_failures_and_then_no_more() -> None:
    """None stands for one that builds; a backend that failed is left like any other."""
    backend = FakeBackend(failures=[None, ServiceError("cf-1 was not ready")])
    assert run(built(backend)) == ("cf-1", "kiosk")
    with pytest.raises(ServiceError, match="cf-1 was not ready"):
        run(built(backend))
    assert run(built(backend)) == ("cf-1", "kiosk")
    assert backend.calls == ["enter", "exit"] * 3


def test_settings_that_are_not_modelled_are_refused_when_the_builder_is_made() -> None:
    """As a real backend refuses a plan that it cannot build, before anything is started."""
    with pytest.raises(UsageError, match="sessions"):
        FakeBackend().builder(PLAN, Settings(application_server=ServerSettings(sessions=True)))
