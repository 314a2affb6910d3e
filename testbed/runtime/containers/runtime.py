"""The containers runtime: the facility's services in containers, from `compose/compose.yaml`, driven by testcontainers.

The one file that knows testcontainers and the engine's API client that comes with it. What is started is a compose
project: one for each facility, so that several stand side by side. Published ports are on 127.0.0.1 and connected to
there, whatever testcontainers guesses of the host.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
from docker.errors import APIError, DockerException, NotFound
from testcontainers.compose import DockerCompose

from testbed.concurrency import shield
from testbed.errors import DumpError, EngineError, FacilityError, ServiceError
from testbed.facility.address import Address
from testbed.facility.link import DATABASE
from testbed.facility.runtime import Exit, Runtime, ServiceSpec
from testbed.observe.py_spy import keep_dump, lacks_permission
from testbed.plan import package_data
from testbed.runtime.containers import docker_cli
from testbed.runtime.containers.probe import ContainerProbe
from testbed.runtime.containers.services import BALANCER_PORTS, SERVICE_PORT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from docker.models.containers import Container

    from testbed.facility.probe import ProbeSpec
    from testbed.journal.events import ThreadGroup


COMPOSE = package_data.directory("compose")


FILE = "compose.yaml"


HOST = "127.0.0.1"


LAST_LINES = 15


COMMAND_CHARACTERS = 100


STOP_WITHIN_S = 10


DUMP_WITHIN_S = 20.0


PROBE_WITHIN_S = 20.0  # beyond what its question takes: the interpreter has to start in the container


SERVICE_LABEL = "com.docker.compose.service"


PROJECT_LABEL = "com.docker.compose.project"


CAPABILITIES = frozenset({"containers", "firewall", "balancers", "recovery", "backups"})


@dataclass(slots=True)
class Containers(Runtime):
    """The services of one compose project. `up` starts some; the rest of the protocol is about containers that are there.

    `environment` and the settings of `up` are what `compose.yaml` is given; `directory` takes the file that holds it.
    """

    project: str
    directory: Path
    environment: Mapping[str, str]
    client: docker.DockerClient
    capabilities: frozenset[str] = CAPABILITIES
    _containers: dict[str, Container] = field(default_factory=dict)
    _published: dict[tuple[str, int], Address] = field(default_factory=dict)  # by the container's own id and its port
    _ended: dict[str, int] = field(default_factory=dict)  # by the container's own id: a new one of the same name has not ended
    _exits: dict[str, Exit] = field(default_factory=dict)
    _events: Any = None

    def up(self, services: Sequence[str], settings: Mapping[str, str]) -> None:
        """Start these services of the project and return when their containers run; raises EngineError with compose's own words."""
        if self._events is None:
            self._listen()
        file = self.directory / f"{self.project}.env"
        file.write_text("".join(f"{name}={value}\n" for name, value in {**self.environment, **settings}.items()))
        compose = DockerCompose(
            str(COMPOSE),
            compose_file_name=FILE,
            wait=False,  # readiness is asked of the services themselves
            env_file=str(file),
            services=list(services),
        )
        try:
            compose.start()
        except subprocess.CalledProcessError as error:
            words = error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else str(error.stderr)
            raise EngineError(f"the project {self.project} does not come up: {words.strip()[-1000:]}") from error
        self._find()

    def _find(self) -> None:
        for container in self.client.containers.list(all=True, filters={"label": f"{PROJECT_LABEL}={self.project}"}):
            self._containers[container.labels[SERVICE_LABEL]] = container

    def _listen(self) -> None:
        """Hear from the engine, in a thread, when containers of this project end: asking it again and again would be slow."""
        self._events = self.client.events(decode=True, filters={"label": f"{PROJECT_LABEL}={self.project}", "event": ["die", "start"]})

        def hear() -> None:
            for event in self._events:
                container = event["Actor"]["ID"]
                if event["Action"] == "die":
                    self._ended[container] = int(event["Actor"]["Attributes"].get("exitCode", -1))
                else:
                    self._ended.pop(container, None)

        threading.Thread(target=hear, name=f"events of {self.project}", daemon=True).start()

    def reserve(self, name: str) -> Address:
        """Give the address that the service has inside the facility."""
        return Address(name, BALANCER_PORTS.get(name, SERVICE_PORT))

    async def start(self, spec: ServiceSpec) -> None:
        """Start a container that was ended."""

        def start(container: Container) -> None:
            container.start()
            container.reload()  # its published port is another one now
            self._exits.pop(container.id, None)
            self._ended.pop(container.id, None)

        await self._do(spec.name, "started", start)

    async def stop(self, name: str) -> None:
        """End it in an orderly way, and by force when it does not; return when it is gone."""
        await self._do(name, "stopped", lambda container: container.stop(timeout=STOP_WITHIN_S))

    async def kill(self, name: str) -> None:
        """End it as a crash would."""

        def kill(container: Container) -> None:
            try:
                container.kill("SIGKILL")
                # Noted here as well: who asks next for how it ended may be quicker than the engine's event.
                self._ended[container.id] = int(container.wait(timeout=STOP_WITHIN_S)["StatusCode"])
            except (NotFound, APIError):  # it has ended already
                return

        await self._do(name, "killed", kill)

    async def pause(self, name: str) -> None:
        """Let every process of the container stand still."""
        await self._do(name, "paused", lambda container: container.pause())

    async def resume(self, name: str) -> None:
        """Let them go on."""
        await self._do(name, "resumed", lambda container: container.unpause())

    async def _do(self, name: str, done: str, do: Callable[[Container], None]) -> None:
        """Do something to a container in a thread, to its end: each call of the engine's client is HTTP, and blocks."""
        container = self._container(name)
        try:
            await shield(asyncio.to_thread(do, container))
        except DockerException as error:
            raise ServiceError(f"{name} cannot be {done}: {getattr(error, 'explanation', None) or error}") from error

    async def is_paused(self, name: str) -> bool:
        """Tell whether they stand still."""
        container = self._container(name)
        await self._do(name, "looked at", lambda container: container.reload())
        return bool(container.attrs["State"]["Paused"])

    def address(self, name: str) -> Address:
        """Give the address at which the testbed reaches the service."""
        return self.published(name, BALANCER_PORTS.get(name, SERVICE_PORT))

    def published(self, name: str, port: int) -> Address:
        """Give the address at which a port of a container is published, or was when it ran; raises ServiceError when it never was."""
        addressed = self._addressed(self._container(name))
        for published in addressed.attrs["NetworkSettings"]["Ports"].get(f"{port}/tcp") or []:
            self._published[addressed.id, port] = Address(HOST, int(published["HostPort"]))
        if (addressed.id, port) in self._published:
            return self._published[addressed.id, port]
        raise ServiceError(f"{name} publishes no port {port}; its last lines:\n{self.last_lines(name)}")

    def _addressed(self, container: Container) -> Container:
        """Give the container that has the addresses of this one: itself, or the one whose network it shares."""
        kind, _, shared = container.attrs["HostConfig"]["NetworkMode"].partition(":")
        return next(one for one in self._containers.values() if one.id == shared) if kind == "container" else container

    async def logs(self, name: str) -> str:
        """Give its last lines."""
        return await asyncio.to_thread(self.last_lines, name)

    def last_lines(self, name: str) -> str:
        """Return its last lines, for whoever is in a thread: it blocks."""
        try:
            text: bytes = self._container(name).logs(tail=LAST_LINES)
        except DockerException:
            return ""
        return text.decode(errors="replace").strip()

    async def pid(self, name: str) -> int | None:
        """Give the process id that it has on the engine's machine."""
        container = self._container(name)
        try:
            await asyncio.to_thread(container.reload)
        except DockerException:
            return None
        return container.attrs["State"]["Pid"] or None

    async def exit(self, name: str) -> Exit | None:
        """Tell how it ended; None while it runs."""
        container = self._container(name)
        code = self._ended.get(container.id)
        if code is None:
            self._exits.pop(container.id, None)
            return None
        if container.id not in self._exits:  # the engine is asked once: the sampler wants to know ten times a second
            self._exits[container.id] = Exit(code, await self.logs(name))
        return self._exits.get(container.id)

    def _container(self, name: str) -> Container:
        if name not in self._containers:
            raise ServiceError(f"no service {name}; there are {', '.join(sorted(self._containers)) or 'none'}")
        return self._containers[name]

    async def run_in(self, name: str, *command: str, within_s: float) -> str:
        """Run a command in a container, as root; gives what it printed.

        Raises EngineError when it does not end in time, and FacilityError with its last words when it fails.
        """
        process = await asyncio.create_subprocess_exec(
            *(docker_cli.COMMAND, "exec", "--user", "0", self._container(name).id, *command),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        ran = " ".join(command)[:COMMAND_CHARACTERS]
        try:
            async with asyncio.timeout(within_s):
                out, err = await process.communicate()
        except TimeoutError as error:
            raise EngineError(f"{name}: {ran} did not end within {within_s:.0f} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            said = err.decode(errors="replace").strip()[-docker_cli.LAST_CHARACTERS :]
            raise FacilityError(f"{name}: {ran} ended with exit code {process.returncode}: {said}")
        return out.decode(errors="replace")

    def probe(self, link: str, address: Address, spec: ProbeSpec) -> ContainerProbe:
        """Make a probe from where a link is used, to the address that it has there."""
        if link == DATABASE:
            place, seen = "cf-1", address
        else:
            place, seen = ("lb-1-machine" if link.startswith("cf-") else "load"), self.reserve(link)
        command = ("python", "-m", "testbed.observe.probe", seen.host, str(seen.port), link, json.dumps(asdict(spec)))
        return ContainerProbe(link, [docker_cli.COMMAND, "exec", self._container(place).id, *command], spec.longest_s + PROBE_WITHIN_S)

    async def dump(self, service: str, pid: int, file: Path) -> tuple[ThreadGroup, ...]:  # noqa: ARG002 - in the container, it is 1
        """Dump the threads of a service from inside its container, where it may be looked at (P4); see `Dump`."""
        try:
            out = await self.run_in(service, "py-spy", "dump", "--json", "--pid", "1", within_s=DUMP_WITHIN_S)
        except EngineError as error:
            raise DumpError(f"the threads of {service} cannot be dumped: {error}") from error
        except FacilityError as error:
            permit = "; its container needs the capability SYS_PTRACE" if lacks_permission(str(error)) else ""
            raise DumpError(f"the threads of {service} cannot be dumped: {error}{permit}") from error
        return keep_dump(service, out.encode(), file)

    def discard(self, names: Iterable[str]) -> None:
        """Remove the containers of some services by force, so that `up` makes new ones."""
        docker_cli.run("rm", "--force", "--volumes", *(self._containers.pop(name).id for name in names))

    def remove(self) -> None:
        """Remove every container, network and volume of the project, at once and by force: nothing of them is wanted any more."""
        if self._events is not None:
            self._events.close()
        remove({PROJECT_LABEL: self.project})


def connect() -> docker.DockerClient:
    """Connect to the engine; raises EngineError within seconds when there is none."""
    docker_cli.find()
    try:
        return docker.from_env(timeout=60)
    except DockerException as error:
        raise EngineError(f"no container engine answers: {error}; {docker_cli.START}") from error


def remove(labels: Mapping[str, str]) -> int:
    """Remove the containers, networks and volumes that carry all of these labels; gives how many containers there were."""
    chosen = [word for name, value in labels.items() for word in ("--filter", f"label={name}={value}")]
    containers = docker_cli.run("ps", "--all", "--quiet", *chosen).split()
    if containers:
        docker_cli.run("rm", "--force", "--volumes", *containers)
    for kind in ("network", "volume"):
        left = docker_cli.run(kind, "ls", "--quiet", *chosen).split()
        if left:
            docker_cli.run(kind, "rm", *left)
    return len(containers)


def runs_left(user: str = str(os.getuid())) -> set[str]:
    """Give the run of every container, network and volume that is labelled as this user's."""
    told = set()
    for command in (("ps", "--all"), ("network", "ls"), ("volume", "ls")):
        shown = f'{{{{.Label "{docker_cli.RUN_LABEL}"}}}}'
        told |= set(docker_cli.run(*command, "--filter", f"label={docker_cli.USER_LABEL}={user}", "--format", shown).splitlines())
    return told - {""}
