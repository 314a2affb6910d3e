"""The containers runtime: the facility's services in containers, from `compose/compose.yaml`, driven by testcontainers.

The one file that knows testcontainers; the engine's client that comes with it is known to `engine_client`. Each
facility is a compose project of its own, so that several run side by side. Published ports are on 127.0.0.1 and are connected
to there, whatever testcontainers guesses of the host.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from testcontainers.compose import DockerCompose

from testbed.concurrency import shield
from testbed.errors import EngineError, FacilityError, ServiceError
from testbed.facility.address import Address
from testbed.facility.link import DATABASE
from testbed.facility.runtime import Exit, Runtime, ServiceSpec
from testbed.plan import package_data
from testbed.runtime.containers import docker_cli, engine_client, env_file
from testbed.runtime.containers.deaths import Deaths
from testbed.runtime.containers.engine_client import CLIENT_ERRORS, translated
from testbed.runtime.containers.probe import ContainerProbe
from testbed.runtime.containers.services import BALANCER_PORTS, CREDENTIALS, SERVICE_PORT
from testbed.runtime.credentials import SERVICES, Credentials
from testbed.runtime.run_directory import write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import docker
    from docker.models.containers import Container

    from testbed.facility.probe import ProbeSpec


COMPOSE = package_data.directory("compose")
FILE = "compose.yaml"
HOST = "127.0.0.1"
LAST_LINES = 15
COMMAND_CHARACTERS = 100
SHORT_ID = 12  # digits, which is also an alias of a container
STOP_WITHIN_S = 10
PROBE_WITHIN_S = 20.0  # beyond what its question takes: the interpreter has to start in the container
SERVICE_LABEL = "com.docker.compose.service"
PROJECT_LABEL = "com.docker.compose.project"
CAPABILITIES = frozenset({"containers", "firewall", "balancers", "recovery", "backups", "heartbeats"})


@dataclass(slots=True)
class Containers(Runtime):
    """The services of one compose project. `up` starts some; the rest of the protocol is about containers that exist.

    `environment` and the settings of `up` are what `compose.yaml` is given; `directory` takes the file that holds it.
    """

    project: str
    directory: Path
    environment: Mapping[str, str]
    client: docker.DockerClient
    capabilities: frozenset[str] = CAPABILITIES
    _containers: dict[str, Container] = field(default_factory=dict)
    _published: dict[tuple[str, int], Address] = field(default_factory=dict)  # by the container's own id and its port
    _exits: dict[str, Exit] = field(default_factory=dict)  # by the container's own id
    _deaths: Deaths = field(init=False)

    def __post_init__(self) -> None:
        self._deaths = Deaths(self.client, f"{PROJECT_LABEL}={self.project}", self._ids)

    def _ids(self) -> list[str]:
        return [container.id for container in list(self._containers.values())]

    def up(self, services: Sequence[str], settings: Mapping[str, str]) -> None:
        """Start these services of the project and return when their containers run; raises EngineError with compose's own words."""
        self._deaths.listen()
        file = self.directory / f"{self.project}.env"
        write_private(file, env_file.text({**self.environment, **settings}))  # a broker's address may have a password
        compose = DockerCompose(
            str(COMPOSE),
            compose_file_name=FILE,
            wait=False,  # the services are asked themselves whether they are ready
            env_file=str(file),
            services=list(services),
        )
        try:
            compose.start()
        except subprocess.CalledProcessError as error:
            words = error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else str(error.stderr)
            raise EngineError(f"the project {self.project} does not come up: {words.strip()[-1000:]}") from error
        with translated(f"the containers of the project {self.project} cannot be listed"):
            self._find()

    def _find(self) -> None:
        for container in self.client.containers.list(all=True, filters={"label": f"{PROJECT_LABEL}={self.project}"}):
            self._containers[container.labels[SERVICE_LABEL]] = container

    def reserve(self, name: str) -> Address:
        """Return the address that the service has inside the facility."""
        return Address(name, BALANCER_PORTS.get(name, SERVICE_PORT))

    async def start(self, spec: ServiceSpec) -> None:
        """Start a container that has ended."""

        def start(container: Container) -> None:
            container.start()
            container.reload()  # its published port has changed
            self._exits.pop(container.id, None)
            self._deaths.note(container.id, None)

        await self._do(spec.name, "started", start)

    async def stop(self, name: str) -> None:
        """Stop it in order, and by force when that takes too long; return when it has ended."""
        await self._do(name, "stopped", lambda container: container.stop(timeout=STOP_WITHIN_S))

    async def kill(self, name: str) -> None:
        """Kill it, as a crash would."""

        def kill(container: Container) -> None:
            # Noted here as well: the next call of `exit` may come before the engine's event.
            self._deaths.note(container.id, engine_client.kill(container, STOP_WITHIN_S))

        await self._do(name, "killed", kill)

    async def pause(self, name: str) -> None:
        """Pause every process of the container."""
        await self._do(name, "paused", lambda container: container.pause())

    async def resume(self, name: str) -> None:
        """Resume them."""
        await self._do(name, "resumed", lambda container: container.unpause())

    async def _do(self, name: str, done: str, do: Callable[[Container], None]) -> None:
        """Run `do` on a container in a thread, to its end: each call of the engine's client is HTTP, and blocks. Raises ServiceError."""
        container = self._container(name)
        with translated(f"{name} cannot be {done}", ServiceError):
            await shield(asyncio.to_thread(do, container))

    async def is_paused(self, name: str) -> bool:
        """Return whether the container is paused."""
        container = self._container(name)
        await self._do(name, "inspected", lambda container: container.reload())
        return bool(container.attrs["State"]["Paused"])

    def address(self, name: str) -> Address:
        """Return the address at which the testbed reaches the service."""
        return self.published(name, BALANCER_PORTS.get(name, SERVICE_PORT))

    def published(self, name: str, port: int) -> Address:
        """Return the address at which a port of a container is published, or was when it ran; raises ServiceError if it never was."""
        addressed = self._addressed(self._container(name))
        for published in addressed.attrs["NetworkSettings"]["Ports"].get(f"{port}/tcp") or []:
            self._published[addressed.id, port] = Address(HOST, int(published["HostPort"]))
        if (addressed.id, port) in self._published:
            return self._published[addressed.id, port]
        raise ServiceError(f"{name} publishes no port {port}; its last lines:\n{self.last_lines(name)}")

    def names_by_host(self) -> dict[str, str]:
        """Return the name by which services know each container, by the address that it has in a network of the project.

        That is its alias there, if it has one: the machine of a balancer has the balancer's name. An alias that begins with the own name,
        as db-1-heartbeats does, only says in which network it is.
        """
        names: dict[str, str] = {}
        for service, container in self._containers.items():
            for network in container.attrs["NetworkSettings"]["Networks"].values():
                own = {service, container.name, container.id[:SHORT_ID]}
                if network["IPAddress"]:
                    names[network["IPAddress"]] = next(
                        (alias for alias in network["Aliases"] or () if alias not in own and not alias.startswith(f"{service}-")), service
                    )
        return names

    def _addressed(self, container: Container) -> Container:
        """Return the container that has the addresses of this one: itself, or the one whose network it shares."""
        kind, _, shared = container.attrs["HostConfig"]["NetworkMode"].partition(":")
        return next(owner for owner in self._containers.values() if owner.id == shared) if kind == "container" else container

    async def logs(self, name: str) -> str:
        """Return its last lines."""
        return await asyncio.to_thread(self.last_lines, name)

    def last_lines(self, name: str) -> str:
        """Return its last lines. It blocks: call it in a thread."""
        try:
            text: bytes = self._container(name).logs(tail=LAST_LINES)
        except CLIENT_ERRORS:
            return ""
        return text.decode(errors="replace").strip()

    def printed_since(self, name: str, since_s: int) -> str:
        """Return what it printed since a time of the machine's clock; nothing where the engine cannot say. It blocks."""
        try:
            text: bytes = self._container(name).logs(since=since_s)
        except CLIENT_ERRORS:
            return ""
        return text.decode(errors="replace")

    async def pid(self, name: str) -> int | None:
        """Return the process id that it has on the engine's machine."""
        container = self._container(name)
        with translated(f"{name} cannot be inspected", ServiceError):
            is_there = await asyncio.to_thread(engine_client.is_there, container)
        return container.attrs["State"]["Pid"] or None if is_there else None

    async def exit(self, name: str) -> Exit | None:
        """Return how it ended; None while it runs. Raises EngineError when the engine does not say any more which of the two it is."""
        container = self._container(name)
        code = self._deaths.code(container.id) if self._deaths.is_known else await asyncio.to_thread(self._deaths.code, container.id)
        if code is None:
            self._exits.pop(container.id, None)
            return None
        if container.id not in self._exits:  # the engine is asked once: sampling calls this ten times a second
            self._exits[container.id] = Exit(code, await self.logs(name))
        return self._exits.get(container.id)

    def _container(self, name: str) -> Container:
        if name not in self._containers:
            raise ServiceError(f"no service {name}; there are {', '.join(sorted(self._containers)) or 'none'}")
        return self._containers[name]

    async def run_in(self, name: str, *command: str, within_s: float) -> str:
        """Run a command in a container, as root, and return what it printed.

        Raises EngineError when it does not end within `within_s` seconds, and FacilityError with its last words when it fails.
        """
        process = await asyncio.create_subprocess_exec(
            *(docker_cli.COMMAND, "exec", "--user", "0", self._container(name).id, *command),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        text = " ".join(command)[:COMMAND_CHARACTERS]
        try:
            async with asyncio.timeout(within_s):
                out, err = await process.communicate()
        except TimeoutError as error:
            raise EngineError(f"{name}: {text} did not end within {within_s:.0f} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            reason = err.decode(errors="replace").strip()[-docker_cli.LAST_CHARACTERS :]
            raise FacilityError(f"{name}: {text} ended with exit code {process.returncode}: {reason}")
        return out.decode(errors="replace")

    def probe(self, link: str, address: Address, question: ProbeSpec) -> ContainerProbe:
        """Start a probe in a container from which the link is used, to the address that it has there."""
        if link == DATABASE:
            container, target = "cf-1", address
        else:
            container, target = ("lb-1-machine" if link.startswith("cf-") else "load"), self.reserve(link)
        where, how = (target.host, str(target.port)), json.dumps(asdict(question))
        program: tuple[str, ...] = ("testbed.observe.probe", *where, link, how)
        if link == DATABASE and question.idle_s:
            login = Credentials(Path(CREDENTIALS)).login(SERVICES)
            program = ("testbed.runtime.postgres.session_probe", *where, login.role, str(login.passfile), how)
        command = ("python", "-m", *program)
        return ContainerProbe(
            link, [docker_cli.COMMAND, "exec", self._container(container).id, *command], question.longest_s + PROBE_WITHIN_S
        )

    def discard(self, names: Iterable[str]) -> None:
        """Remove the containers of some services by force, so that `up` makes new ones."""
        docker_cli.run("rm", "--force", "--volumes", *(self._containers.pop(name).id for name in names))

    def remove(self) -> None:
        """Remove every container, network and volume of the project that is of this run, at once and by force."""
        self._deaths.close()
        remove({PROJECT_LABEL: self.project, docker_cli.RUN_LABEL: self.environment["TESTBED_RUN"]})


def remove(labels: Mapping[str, str]) -> int:
    """Remove the containers, networks and volumes that carry all of these labels; return the number of containers."""
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
    """Return the run of every container, network and volume that is labelled as this user's."""
    runs = set()
    for command in (("ps", "--all"), ("network", "ls"), ("volume", "ls")):
        template = f'{{{{.Label "{docker_cli.RUN_LABEL}"}}}}'
        runs |= set(docker_cli.run(*command, "--filter", f"label={docker_cli.USER_LABEL}={user}", "--format", template).splitlines())
    return runs - {""}
