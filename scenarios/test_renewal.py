"""A project in containers that serves one replay after another: what is put back, and what is thrown away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
import requests

from testbed.facility.address import Address
from testbed.plan.settings import ServerSettings, Settings
from testbed.plan.topology import FacilityPlan
from testbed.runtime.containers.backend import ContainersBackend
from testbed.runtime.containers.database import HOSTS
from testbed.runtime.containers.services import VIRTUAL_IP
from testbed.runtime.postgres import sql

if TYPE_CHECKING:
    from testbed.facility.facility import Facility
    from testbed.runtime.containers.project import Project

PLAN = FacilityPlan(application_servers=1, callers=("kiosk",))
OTHER = FacilityPlan(application_servers=2, pool_size=20, callers=("ivr", "kiosk"))  # as many connections to the database
CHECK_IN = {"passenger": "a passenger", "date": "2013-10-07", "carrier": "UA", "flight": 1545, "origin": "EWR", "destination": "IAH"}

pytestmark = pytest.mark.usefixtures("engine")


def settings(lookup: str) -> Settings:
    """Return a variant with this lookup."""
    return Settings(application_server=ServerSettings.model_validate({"lookup": lookup}))


def written(address: Address) -> int:
    """Return the number of rows that passengers wrote."""
    with psycopg.connect(sql.conninfo(address)) as connection:
        counted = connection.execute("SELECT (SELECT count(*) FROM check_ins) + (SELECT count(*) FROM bookings)").fetchone()
    assert counted is not None
    return int(counted[0])


def checked_in(facility: Facility) -> int:
    """Check a passenger in, over the whole facility; return the sequence number."""
    answer = requests.post(f"{facility.runtime.address('kiosk').url}/transactions/check_in", json=CHECK_IN, timeout=10)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["sequence"])


async def leave_behind(project: Project, facility: Facility) -> psycopg.Connection[tuple[object, ...]]:
    """Put the facility into the state after a bad night: moved, with a toxic, rows, and a connection that holds a lock on them."""
    assert checked_in(facility) == 1
    old, new = project.hosts.active, project.hosts.standby
    await project.hosts.stop_server()
    await project.hosts.unmount(old)
    await project.hosts.mount(new)
    await facility.virtual_ip.point(await project.hosts.start_server(new))
    holder = psycopg.connect(sql.conninfo(project.database))
    holder.execute("LOCK TABLE check_ins IN ACCESS SHARE MODE")
    await facility.virtual_ip.add_toxic("latency", {"latency": 10})
    return holder


async def renewed() -> None:
    """Build three facilities with one backend."""
    async with ContainersBackend() as backend:
        first = backend.builder(PLAN, settings("original"))
        facility = await first.build()
        project = first.project
        assert project is not None
        holder = await leave_behind(project, facility)
        await first.tear_down()

        second = backend.builder(OTHER, settings("fixed"))
        facility = await second.build()
        holder.close()
        assert second.project is project
        assert (await asyncio.to_thread(project.proxy.toxics, VIRTUAL_IP), project.hosts.active) == ((), HOSTS[0])
        assert written(project.database) == 0
        assert facility.services == ("cf-1", "cf-2", "ivr", "kiosk")
        for server in facility.application_servers:
            environment = (await project.runtime.run_in(server, "env", within_s=30.0)).splitlines()
            assert {"FLIGHT_SEARCH_LOOKUP=fixed", "FLIGHT_SEARCH_POOL_SIZE=20"} <= set(environment)
        assert checked_in(facility) == 1  # the sequence begins anew, too
        await second.tear_down()

        await project.runtime.kill(HOSTS[0])
        third = backend.builder(PLAN, settings("fixed"))
        assert checked_in(await third.build()) == 1
        assert third.project is not project
        assert backend.projects == [third.project]
        await third.tear_down()


def test_a_project_is_put_back_before_it_serves_again_or_thrown_away(capsys: pytest.CaptureFixture[str]) -> None:
    """Host, toxics, rows and locks are as at the beginning for the next replay, of another plan; one with a dead host serves nobody."""
    asyncio.run(renewed())
    assert capsys.readouterr().err.count("a facility that served before is thrown away") == 1
