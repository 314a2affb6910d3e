"""Switchovers of one facility under writes: what was acknowledged is there after all of them, and PostgreSQL finds its data sound (C2, C4).

A few belong to the suite; a thousand are `pytest scenarios/test_switchovers.py --switchovers 1000 -s`.
"""

from __future__ import annotations

import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scenarios.facilities import built
from scenarios.test_one_array import writing
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
from testbed.runtime.containers.services import PORT
from testbed.runtime.credentials import ADMINISTRATOR
from tests.journals import header
from tests.pair.as_administrator import run_here, run_inside

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testbed.facility.address import Address
    from testbed.facility.facility import Facility
    from testbed.runtime.containers.project import Project
    from testbed.runtime.credentials import Credentials
    from testbed.runtime.postgres.pair import DatabasePair

PLAN = FacilityPlan(application_servers=1, request_threads=4, pool_size=4, callers=("kiosk",))
SETTINGS = Settings(application_server=ServerSettings(lookup="fixed"))
WITHIN_S = 60.0
POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class InProcesses:
    """A facility of processes."""

    facility: Facility
    pair: DatabasePair

    @property
    def address(self) -> Address:
        """The virtual IP."""
        return self.facility.virtual_ip.address

    @property
    def credentials(self) -> Credentials:
        """The passwords of the database."""
        return self.pair.credentials

    async def amcheck(self, *arguments: str) -> str:
        """Run pg_amcheck over the virtual IP."""
        return await self._run("pg_amcheck", "--host", self.address.host, "--port", str(self.address.port), *arguments)

    async def checksums(self) -> str:
        """Stop the server, and check every page."""
        await self.pair.stop_server()
        return await self._run("pg_checksums", "--check", "--pgdata", str(self.pair.array.data))

    async def _run(self, program: str, *arguments: str) -> str:
        return await run_here(self.pair.programs, self.credentials, program, *arguments, within_s=WITHIN_S)


@dataclass(frozen=True, slots=True)
class InContainers:
    """A facility in containers; programs run in the container of the host that has the database."""

    facility: Facility
    project: Project

    @property
    def address(self) -> Address:
        """The virtual IP, as it is published."""
        return self.project.database

    @property
    def credentials(self) -> Credentials:
        """The passwords of the database."""
        return self.project.credentials

    async def amcheck(self, *arguments: str) -> str:
        """Run pg_amcheck on the host's own address."""
        return await self._run("pg_amcheck", "--host", "127.0.0.1", "--port", str(PORT), *arguments)

    async def checksums(self) -> str:
        """Stop the server, and check every page."""
        await self.project.hosts.stop_server()
        return await self._run("pg_checksums", "--check", "--pgdata", "/array/array")

    async def _run(self, program: str, *arguments: str) -> str:
        return await run_inside(self.project.runtime, self.project.hosts.active, program, *arguments, within_s=WITHIN_S)


@asynccontextmanager
async def up(where: str) -> AsyncIterator[InProcesses | InContainers]:
    """Build a small facility, and take it down at the end."""
    async with built(where, PLAN, SETTINGS) as (builder, facility):
        if isinstance(builder, ContainersBuilder):
            assert builder.project is not None
            yield InContainers(facility, builder.project)
        else:
            yield InProcesses(facility, builder.pairs[0])


async def wait_more(rows: list[int], since: int) -> int:
    """Wait until there are more rows than before; return how many there are."""

    async def look() -> str | None:
        return None if len(rows) > since else f"still {since}"

    await wait_until("no row was acknowledged", look, WITHIN_S, every_s=POLL_S)
    return len(rows)


@pytest.mark.beside
@pytest.mark.fact("C2", "C4")
@pytest.mark.parametrize("where", ["processes", "containers"])
async def test_what_was_acknowledged_outlives_every_switchover(
    where: str, tmp_path: Path, switchovers: int, request: pytest.FixtureRequest
) -> None:
    """However often the database moves while rows are written: none of them is lost, no page and no index is damaged."""
    if where == "containers":
        request.getfixturevalue("engine")
    async with up(where) as moving:
        began_s = time.monotonic()
        with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
            facility = moving.facility
            state = FacilityState(facility.application_servers, facility.callers)
            actions = Actions(facility, state, Recorder(writer, NightClock(0.0, 1.0), origin_s=0.0), tmp_path)
            with writing(moving.address, moving.credentials.login(ADMINISTRATOR)) as acknowledged:
                since = 0
                for _ in range(switchovers):
                    await actions.inject(Switchover())
                    since = await wait_more(acknowledged, since)  # each of them is under writes
        took_s = time.monotonic() - began_s
        await moving.amcheck("--username", ADMINISTRATOR, "--install-missing", "postgres")
        assert "Bad checksums:  0" in await moving.checksums()
    sys.stdout.write(f"{where}: {switchovers} switchovers in {took_s:.0f} s; {since} rows and more, none lost\n")
