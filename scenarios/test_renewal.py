"""A project in containers that serves one replay after another: what is put back, and what is thrown away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
import requests

from testbed.concurrency import cancel_and_wait, wait_until
from testbed.errors import FacilityError
from testbed.plan.settings import ServerSettings, Settings
from testbed.plan.topology import FacilityPlan
from testbed.runtime.containers.backend import ContainersBackend
from testbed.runtime.containers.database import HOSTS
from testbed.runtime.containers.firewall import IDLE_LIMIT
from testbed.runtime.containers.services import HEARTBEAT_PORT
from testbed.runtime.credentials import SERVICES
from testbed.runtime.postgres import sql

if TYPE_CHECKING:
    from testbed.facility.facility import Facility
    from testbed.runtime.containers.project import Project

PLAN = FacilityPlan(application_servers=1, callers=("kiosk",))
OTHER = FacilityPlan(application_servers=2, pool_size=20, callers=("ivr", "kiosk"))  # as many connections to the database
CHECK_IN = {"passenger": "a passenger", "date": "2013-10-07", "carrier": "UA", "flight": 1545, "origin": "EWR", "destination": "IAH"}
WITHIN_S = 30.0

pytestmark = pytest.mark.usefixtures("engine")


def settings(lookup: str) -> Settings:
    """Return a variant with this lookup."""
    return Settings(application_server=ServerSettings.model_validate({"lookup": lookup}))


def written(project: Project) -> int:
    """Return the number of rows that passengers wrote."""
    with psycopg.connect(sql.conninfo(project.database, project.credentials.login(SERVICES))) as connection:
        counted = connection.execute("SELECT (SELECT count(*) FROM check_ins) + (SELECT count(*) FROM bookings)").fetchone()
    assert counted is not None
    return int(counted[0])


def checked_in(facility: Facility) -> int:
    """Check a passenger in, over the whole facility; return the sequence number."""
    answer = requests.post(f"{facility.runtime.address('kiosk').url}/transactions/check_in", json=CHECK_IN, timeout=10)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["sequence"])


async def leave_behind(project: Project, facility: Facility) -> psycopg.Connection[tuple[object, ...]]:
    """Put the facility into the state after a bad night: moved, with rows, and a connection that holds a lock on them."""
    assert checked_in(facility) == 1
    old, new = project.hosts.active, project.hosts.standby
    await project.hosts.stop_server()
    await project.hosts.unmount(old)
    await project.hosts.mount(new)
    await facility.virtual_ip.point(await project.hosts.start_server(new))
    holder = psycopg.connect(sql.conninfo(project.database, project.credentials.login(SERVICES)))
    holder.execute("LOCK TABLE check_ins IN ACCESS SHARE MODE")
    return holder


async def plant(project: Project, facility: Facility, what: str) -> None:
    """Leave in a project what a fault leaves that is not healed, behind the facility's back."""
    match what:
        case "a rule":
            await project.runtime.run_in(
                "firewall", "nft", "add", "rule", "ip", "facility", "dropped", "ct", "state", "new", "drop", within_s=10
            )
        case "an idle limit":
            await project.runtime.run_in("firewall", "sh", "-c", f"echo 77 > {IDLE_LIMIT}", within_s=10)
        case "a toxic":
            await facility.virtual_ip.add_toxic("latency", {"latency": 10})
        case "a paused standby":
            await project.runtime.pause("dr")
        case _:
            facility.left = (what,)


LEFT = {
    "a rule": "attempts to connect to database are dropped",
    "an idle limit": "the firewall forgets connections that are idle for 77 s",
    "a toxic": "the link to database has the toxic latency_downstream",
    "a paused standby": "dr is paused",
}


async def thrown_away() -> None:
    """Build a facility after each thing that is left, with one backend."""
    async with ContainersBackend() as backend:
        former: Project | None = None
        for what in (*LEFT, "told by the journal", "nothing"):
            builder = backend.builder(PLAN, settings("original"))
            facility = await builder.build()
            assert builder.project is not None
            assert builder.project is not former
            assert backend.projects == [builder.project]  # the former was removed with all that is in it
            former = builder.project
            if what != "nothing":
                await plant(builder.project, facility, what)
            await builder.tear_down()
        assert backend.idle == [former]


@pytest.mark.beside
def test_a_project_with_anything_left_serves_no_other_replay(capsys: pytest.CaptureFixture[str]) -> None:
    """Whether or not the replay saw it; what it saw is removed at once, and what it did not, when the next looks at the project."""
    asyncio.run(thrown_away())
    said = [line for line in capsys.readouterr().err.splitlines() if "is thrown away" in line]
    assert said == [f"testbed: a facility that served before is thrown away: left by the replay before: {left}" for left in LEFT.values()]


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
        assert project.hosts.active == HOSTS[0]
        assert written(project) == 0
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


@pytest.mark.beside
def test_a_project_is_put_back_before_it_serves_again_or_thrown_away(capsys: pytest.CaptureFixture[str]) -> None:
    """Host, rows and locks are as at the beginning for the next replay, of another plan; one with a dead host serves nobody."""
    asyncio.run(renewed())
    assert capsys.readouterr().err.count("a facility that served before is thrown away") == 1


async def watched_before() -> None:
    """Build a facility whose database hosts watch each other, and another one with the same backend."""
    async with ContainersBackend() as backend:
        first = backend.builder(PLAN.model_copy(update={"heartbeat_every_s": 0.2}), settings("fixed"))
        facility = await first.build()
        project = first.project
        assert project is not None
        losing = asyncio.create_task(facility.cluster.wait_lost())

        async def look() -> str | None:
            return None if (await facility.cluster.heartbeats()).received >= 3 else "fewer than three heartbeats"

        await wait_until("no heartbeats came", look, WITHIN_S)
        assert not losing.done()
        await cancel_and_wait([losing])
        await first.tear_down()

        second = backend.builder(PLAN, settings("fixed"))
        assert not (await second.build()).cluster.is_on
        assert second.project is project
        for host in HOSTS:
            with pytest.raises(FacilityError, match=f"^{host} watches no other host$"):
                await project.hosts.watched(host)
            listening = await project.runtime.run_in(host, "ss", "--listening", "--tcp", "--numeric", "--no-header", within_s=WITHIN_S)
            assert f":{HEARTBEAT_PORT} " not in listening
        await second.tear_down()


def test_nothing_of_a_watch_stays_for_the_next_replay() -> None:
    """Heartbeats come over the hosts' own network, and the same project has none of them afterwards."""
    asyncio.run(watched_before())
