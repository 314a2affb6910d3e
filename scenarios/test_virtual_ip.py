"""Who reaches the database by which address (C5), on which host it runs (C1), and what a rack takes with it (C3), on real parts."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import requests

from scenarios import facilities
from testbed.facility.address import Address
from testbed.faults.rack_loss import RackLoss
from testbed.faults.switchover import Switchover
from testbed.journal.writer import JournalWriter
from testbed.plan.clock import NightClock
from testbed.plan.settings import ServerSettings, Settings
from testbed.plan.topology import HOSTS, FacilityPlan
from testbed.replay.actions import Actions
from testbed.replay.recorder import Recorder
from testbed.replay.state import FacilityState
from testbed.runtime.containers.builder import ContainersBuilder
from testbed.runtime.credentials import SERVICES
from testbed.runtime.postgres import sql
from testbed.runtime.processes.backend import ProcessesBackend
from tests.journals import header

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testbed.facility.facility import Facility
    from testbed.runtime.processes.builder import ProcessesBuilder

POOL = 4
ESTABLISHED = "01"  # of /proc/net/tcp
DATABASE = "FLIGHT_SEARCH_DATABASE"
RACKED = 4  # application servers: the fourth stands in the first rack again
pytestmark = [pytest.mark.beside, pytest.mark.asyncio(loop_scope="module")]
REACHED = """
import os, psycopg
from psycopg.conninfo import make_conninfo
try:
    with psycopg.connect(make_conninfo(os.environ["FLIGHT_SEARCH_DATABASE"], host="{host}", connect_timeout=2)) as connection:
        print(connection.execute("SELECT host(inet_server_addr())").fetchone()[0])
except psycopg.OperationalError as error:
    print(type(error).__name__)
"""
UNREACHED = "ConnectionTimeout"
NETWORKS = 2  # of a database host: that of the service traffic, and that of the heartbeats
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's table of sockets is Linux'")


@dataclass(frozen=True, slots=True)
class Built:
    """A facility of processes whose lookup is the fixed one, with its builder and what may be done to it."""

    builder: ProcessesBuilder
    facility: Facility
    actions: Actions

    @property
    def own_address(self) -> Address:
        """The own address of the host on which the database runs."""
        assert self.builder.pairs
        assert self.builder.pairs[0].server is not None
        return self.builder.pairs[0].server.address

    async def connected_to(self, service: str) -> set[int]:
        """Return the ports to which a service has made connections, by the kernel's own table."""
        pid = await self.facility.runtime.pid(service)
        assert pid is not None
        return remote_ports(pid, self.facility.runtime.address(service).port)

    async def answers(self, server: str, count: int) -> list[bool]:
        """Ask an application server for flights so many times; return which lookups were answered."""
        url = f"{self.facility.runtime.address(server).url}/flights"
        query = {"from": "EWR", "to": "CLT", "date": "2013-10-08"}
        return [(await asyncio.to_thread(requests.get, url, query, timeout=10)).ok for _ in range(count)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend() -> AsyncIterator[ProcessesBackend]:
    """Yield what the facilities of these tests share."""
    async with ProcessesBackend() as backend:
        yield backend


@asynccontextmanager
async def built(backend: ProcessesBackend, directory: Path, application_servers: int) -> AsyncIterator[Built]:
    """Build a facility, and take it down at the end."""
    plan = FacilityPlan(application_servers=application_servers, request_threads=POOL, pool_size=POOL, callers=("kiosk",))
    builder = backend.builder(plan, Settings(application_server=ServerSettings(lookup="fixed")))
    try:
        facility = await builder.build()
        with JournalWriter(directory / "a.jsonl", header()) as writer:
            recorder = Recorder(writer, NightClock(0.0, 1.0), origin_s=0.0)
            state = FacilityState(facility.application_servers, facility.callers)
            yield Built(builder, facility, Actions(facility, state, recorder, directory))
    finally:
        await builder.tear_down()


def remote_ports(pid: int, listens_at: int) -> set[int]:
    """Return the remote ports of a process's established connections over IPv4 (proc_net_tcp(5)), but for those made to it."""
    sockets = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            sockets.add(str(entry.readlink()))
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    ours = [row for row in rows if row[3] == ESTABLISHED and f"socket:[{row[9]}]" in sockets]
    return {port_of(row[2]) for row in ours if port_of(row[1]) != listens_at}


def port_of(address: str) -> int:
    """Return the port of an address of that table."""
    return int(address.split(":")[1], 16)


def told(facility: Facility, port: int) -> list[str]:
    """Return the services that were told a port, in their environment or as an argument."""
    words = {name: [*spec.arguments, *(value for _, value in spec.environment)] for name, spec in facility.specs.items()}
    return [name for name, values in words.items() if any(str(port) in value for value in values)]


async def configure_with(night: Built, server: str, address: Address) -> None:
    """Restart an application server with another address of the database."""
    spec = night.facility.specs[server]
    environment = tuple(
        (name, sql.conninfo(address, night.builder.shared.credentials.login(SERVICES)) if name == DATABASE else value)
        for name, value in spec.environment
    )
    night.facility.specs[server] = replace(spec, environment=environment)
    await night.facility.restart(server)
    await night.facility.wait_ready([server])


@linux_only
@pytest.mark.fact("C1", "C5")
async def test_only_who_uses_the_virtual_ip_is_served_after_a_switchover(backend: ProcessesBackend, tmp_path: Path) -> None:
    """A server that is configured with a host's own address is served as the others are, until the database moves to the other host.

    Then it gets nothing any more, its health check is green, and its sockets show why. The others lose their stale connections and are
    served by the second host; no service was ever told a host's own address, or was connected to one.
    """
    async with built(backend, tmp_path, application_servers=2) as night:
        virtual_ip, db_1 = night.facility.virtual_ip.address, night.own_address
        assert told(night.facility, db_1.port) == []
        assert told(night.facility, virtual_ip.port) == ["cf-1", "cf-2"]
        for service in night.facility.services:
            assert db_1.port not in await night.connected_to(service)
        assert await night.connected_to("cf-1") == await night.connected_to("cf-2") == {virtual_ip.port}

        await configure_with(night, "cf-2", db_1)
        assert await night.connected_to("cf-2") == {db_1.port}
        assert told(night.facility, db_1.port) == ["cf-2"]
        assert await night.answers("cf-1", POOL) == await night.answers("cf-2", POOL) == [True] * POOL

        await night.actions.inject(Switchover())
        db_2 = night.own_address
        assert night.facility.database.active == HOSTS[1]
        assert db_2 != db_1
        assert await night.answers("cf-1", 2 * POOL) == [False] * POOL + [True] * POOL
        assert await night.answers("cf-2", 3 * POOL) == [False] * 3 * POOL
        assert await night.connected_to("cf-1") == {virtual_ip.port}
        assert not {virtual_ip.port, db_2.port} & await night.connected_to("cf-2")
        health = await asyncio.to_thread(requests.get, f"{night.facility.runtime.address('cf-2').url}/health", timeout=10)
        assert health.ok


@pytest.mark.fact("C1", "C5")
async def test_no_address_but_the_virtual_ip_leads_from_an_application_server_to_the_database(
    engine: None,
    tmp_path: Path,
) -> None:
    """In containers no application server can even be configured with a host's own address: no network leads there.

    Over the virtual IP the first host answers, and after a switchover the second.
    """
    plan = FacilityPlan(application_servers=2, request_threads=POOL, pool_size=POOL, callers=("kiosk",))
    async with facilities.built("containers", plan, Settings(application_server=ServerSettings(lookup="fixed"))) as (builder, facility):
        assert isinstance(builder, ContainersBuilder)
        assert builder.project is not None
        inside = builder.project.runtime.run_in

        async def reached(server: str, host: str) -> str:
            return (await inside(server, "python", "-c", REACHED.format(host=host), within_s=20.0)).strip()

        own = {host: (await inside(host, "hostname", "--all-ip-addresses", within_s=20.0)).split() for host in HOSTS}
        # All at once: each try waits for its whole time.
        tries = [reached(server, address) for server in facility.application_servers for host in HOSTS for address in own[host]]
        assert [len(own[host]) for host in HOSTS] == [NETWORKS] * len(HOSTS)
        assert await asyncio.gather(*tries) == [UNREACHED] * len(tries)
        for server in facility.application_servers:
            assert await reached(server, "virtual-ip") in own["db-1"]
        with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
            state = FacilityState(facility.application_servers, facility.callers)
            await Actions(facility, state, Recorder(writer, NightClock(0.0, 1.0), origin_s=0.0), tmp_path).inject(Switchover())
        for server in facility.application_servers:
            assert await reached(server, "virtual-ip") in own["db-2"]


@pytest.mark.fact("C3")
async def test_a_rack_takes_what_stands_in_it_and_nothing_else(backend: ProcessesBackend, tmp_path: Path) -> None:
    """Of four servers in three racks, the first and the fourth die; every other process goes on, and the service with them."""
    async with built(backend, tmp_path, application_servers=RACKED) as night:
        before = {name: await night.facility.runtime.pid(name) for name in night.facility.specs}
        assert night.builder.pairs
        assert night.builder.pairs[0].server is not None
        database = night.builder.pairs[0].server.child.pid
        await night.actions.inject(RackLoss(rack=1))
        after = {name: await night.facility.runtime.pid(name) for name in night.facility.specs}
        assert {name for name, pid in after.items() if pid is None} == {"cf-1", "cf-4"}
        assert {name: pid for name, pid in after.items() if pid is not None} == {
            name: pid for name, pid in before.items() if name not in ("cf-1", "cf-4")
        }
        assert night.builder.pairs[0].server.child.pid == database
        assert await night.answers("cf-2", POOL) == await night.answers("cf-3", POOL) == [True] * POOL
        with pytest.raises(requests.ConnectionError):
            await night.answers("cf-4", 1)
        (active,) = night.facility.active
        await night.actions.heal(active)
        assert await night.answers("cf-4", POOL) == [True] * POOL
