"""What services stand on may die or stand still by itself; nobody's code is to blame for what comes of it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from scenarios.descendants import needs_linux
from scenarios.facilities import built
from testbed.concurrency import wait_until
from testbed.faults.switchover import Switchover
from testbed.journal.writer import JournalWriter
from testbed.plan.clock import NightClock
from testbed.plan.settings import ServerSettings, Settings
from testbed.plan.topology import FacilityPlan
from testbed.replay.actions import Actions
from testbed.replay.recorder import Recorder
from testbed.replay.state import FacilityState
from testbed.runtime.containers.builder import ContainersBuilder
from testbed.runtime.processes.parts import children_of
from tests.journals import header

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.facility.facility import Facility
    from testbed.journal.events import Part
    from testbed.runtime.processes.builder import ProcessesBuilder

PLAN = FacilityPlan(application_servers=1, request_threads=4, pool_size=4, callers=("kiosk",))
SETTINGS = Settings(application_server=ServerSettings(lookup="fixed"))
WITHIN_S = 15.0

pytestmark = pytest.mark.beside


async def told(facility: Facility) -> list[Part]:
    """Look until something is told, and return it; nothing if that is not so in time."""
    found: list[Part] = []

    async def look() -> str | None:
        found.extend(await facility.parts.look(lambda: (1.0, 2.0)))
        return None if found else "nothing"

    await wait_until("no part was told", look, WITHIN_S, every_s=0.05)
    return found


async def switch(facility: Facility, directory: Path) -> None:
    """Move the database."""
    with JournalWriter(directory / "a.jsonl", header()) as writer:
        state = FacilityState(facility.application_servers, facility.callers)
        await Actions(facility, state, Recorder(writer, NightClock(0.0, 1.0), origin_s=0.0), directory).inject(Switchover())


def postmaster(builder: ProcessesBuilder) -> int:
    """Return the process id of the database server."""
    server = builder.pairs[0].server
    assert server is not None
    return server.child.process.pid


@needs_linux
async def test_a_part_that_fails_is_told_once_and_what_is_done_to_it_on_purpose_is_not(tmp_path: Path) -> None:
    """A switchover is no death. A proxy that is stopped, a session that is killed and a server that is killed are told, each once."""
    async with built("processes", PLAN, SETTINGS) as (builder, facility):
        assert not isinstance(builder, ContainersBuilder)
        await switch(facility, tmp_path)
        assert await facility.parts.look(lambda: (1.0, 2.0)) == []

        proxy = await builder.shared.runtime.pid("toxiproxy")
        assert proxy is not None
        os.kill(proxy, signal.SIGSTOP)
        try:
            assert [(part.part, part.state) for part in await told(facility)] == [("toxiproxy", "stopped")]
        finally:
            os.kill(proxy, signal.SIGCONT)

        os.kill(children_of(postmaster(builder))[0], signal.SIGKILL)
        (part,) = await told(facility)
        assert (part.part, part.state, "terminating any other active server processes" in part.detail) == ("db-2", "died", True)

        os.kill(postmaster(builder), signal.SIGKILL)
        (part,) = await told(facility)
        assert (part.part, part.state, part.detail.startswith("SIGKILL")) == ("db-2", "died", True)
        assert await facility.parts.look(lambda: (1.0, 2.0)) == []


@pytest.mark.parametrize("ended", ["server", "toxiproxy", "firewall"])
async def test_a_container_that_ends_and_a_server_in_one_are_told(engine: None, tmp_path: Path, ended: str) -> None:
    """Once each, and not for a switchover."""
    async with built("containers", PLAN, SETTINGS) as (builder, facility):
        assert isinstance(builder, ContainersBuilder)
        assert builder.project is not None
        await switch(facility, tmp_path)
        assert await facility.parts.look(lambda: (1.0, 2.0)) == []
        if ended == "server":
            await builder.project.runtime.run_in("db-2", "sh", "-c", "kill -KILL $(head -1 /array/array/postmaster.pid)", within_s=WITHIN_S)
        else:
            await builder.project.runtime.kill(ended)
        (part,) = await told(facility)
        assert (part.part, part.state) == ("db-2" if ended == "server" else ended, "died")
        assert await facility.parts.look(lambda: (1.0, 2.0)) == []
