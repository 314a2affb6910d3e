"""What all replays of a batch share on the containers runtime: an engine, an image, and the compose projects."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from testbed.concurrency import shield
from testbed.errors import EngineError
from testbed.runtime import run_directory
from testbed.runtime.containers import docker_cli, engine_client, image, run_label, runtime
from testbed.runtime.containers.project import Project
from testbed.runtime.containers.runtime import Containers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    import docker

    from testbed.plan.topology import FacilityPlan
    from testbed.runtime.run_directory import RunDirectory


IDLE_AT_MOST = 1  # idle projects that do not fit now, and may the next time: each has its containers


def sweep() -> int:
    """Remove what killed runs of this user left at the engine, and return how many containers; living runs are left alone.

    So is what no process here can know of: see `run_label`.
    """
    ended = [label for label in runtime.runs_left() if run_label.has_ended(label)]
    return sum(runtime.remove({docker_cli.USER_LABEL: str(os.getuid()), docker_cli.RUN_LABEL: label}) for label in ended)


@dataclass(slots=True)
class ProjectPool:
    """An engine that answers, an image that is up to date with the code, a run directory, and compose projects.

    What killed runs left is removed on entry. A project starts when a builder asks for it, serves one replay after another, and is removed
    on exit.
    Raises EngineError within seconds, with what to do, when engine or image is missing.
    """

    run: RunDirectory = field(init=False, repr=False)
    client: docker.DockerClient = field(init=False, repr=False)
    label: str = field(default_factory=run_label.of_this_process)
    image: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    projects: list[Project] = field(default_factory=list)
    idle: list[Project] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._prepare)
        self.run = run_directory.create_run_directory()
        return self

    def _prepare(self) -> None:
        self.client = engine_client.connect()
        docker_cli.compose_version()
        engine = docker_cli.find()
        current = image.current(engine)
        if current is None:
            name = image.name_for_code(engine.machine)
            raise EngineError(f"there is no image {name} of this code, these libraries and this base yet; `testbed image build` builds it")
        self.image = current.name
        self.versions = image.versions(current)
        run_directory.sweep()
        sweep()

    def take(self, fits: Mapping[str, str]) -> Project | None:
        """Return an idle project that fits, which is then no longer idle; None when there is none."""
        for project in self.idle:
            if project.fits == fits:
                self.idle.remove(project)
                return project
        return None

    async def make(self, plan: FacilityPlan, fits: Mapping[str, str]) -> Project:
        """Return a new project, not yet started; remove idle ones that fitted no builder, except the last `IDLE_AT_MOST`."""
        while len(self.idle) > IDLE_AT_MOST:
            await self.remove(self.idle.pop(0))
        project = Project(self.containers(f"testbed-{os.getpid()}-{secrets.token_hex(4)}"), plan, fits)
        self.projects.append(project)
        return project

    def containers(self, name: str) -> Containers:
        """Return the runtime of a compose project of this name, of this image, with the labels of this user and this run."""
        environment = {
            "COMPOSE_PROJECT_NAME": name,
            "TESTBED_IMAGE": self.image,
            "TESTBED_USER": str(os.getuid()),
            "TESTBED_RUN": self.label,
        }
        return Containers(name, self.run.path, environment, self.client)

    def give_back(self, project: Project) -> None:
        """Keep a project idle for the next replay."""
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
