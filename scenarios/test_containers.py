"""What only containers have: remains of a killed run, and neighbours that are nobody's business."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docker import DockerClient

from testbed.errors import EngineError, FacilityError, ServiceError, TestbedError
from testbed.runtime.containers import docker_cli, project_pool
from testbed.runtime.containers.backend import ContainersBackend
from testbed.runtime.containers.runtime import PROJECT_LABEL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testbed.facility.runtime import Exit
    from testbed.runtime.containers.runtime import Containers

SCENARIOS = Path(__file__).parent
WITHIN_S = 90.0
UNIX = "unix://"
ENGINE = os.environ.get("DOCKER_HOST", f"{UNIX}/var/run/docker.sock")

pytestmark = pytest.mark.usefixtures("engine")


def started(home: Path) -> subprocess.Popen[bytes]:
    """Start a replay in containers."""
    command = [sys.executable, "-m", "testbed", "replay", str(SCENARIOS / "calm.toml"), "--runtime", "containers", "--variant", "fixed"]
    with (home / "printed").open("wb") as printed:
        return subprocess.Popen([*command, "--runs", str(home / "runs")], stdout=printed, stderr=printed)


def projects() -> set[str]:
    """Return the compose projects of this user's runs."""
    shown = f'{{{{.Label "{PROJECT_LABEL}"}}}}'
    listed = docker_cli.run("ps", "--all", "--filter", f"label={docker_cli.USER_LABEL}={os.getuid()}", "--format", shown)
    return set(listed.split())


def wait_project(process: subprocess.Popen[bytes]) -> str:
    """Wait until the replay has containers; return their project."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        assert process.poll() is None
        for project in projects():
            if project.startswith(f"testbed-{process.pid}-"):
                return project
        time.sleep(0.1)
    raise AssertionError(f"no containers within {WITHIN_S:.0f} s")


def test_what_a_killed_run_left_is_removed_by_the_next_and_nothing_else(tmp_path: Path) -> None:
    """`kill -9` leaves containers running; a sweep removes them with networks and volumes, and lets the living and the unlabelled be."""
    killed, living = started(tmp_path), started(tmp_path)
    bystander = docker_cli.run("run", "--detach", "--rm", "grounded-testbed:latest", "sleep", "300").strip()
    try:
        project, other = wait_project(killed), wait_project(living)
        killed.kill()
        killed.wait()
        assert project in projects()
        project_pool.sweep()
        assert project not in projects()
        assert docker_cli.run("volume", "ls", "--quiet", "--filter", f"label={PROJECT_LABEL}={project}") == ""
        assert docker_cli.run("network", "ls", "--quiet", "--filter", f"label={PROJECT_LABEL}={project}") == ""
        assert other in projects()
        assert docker_cli.run("inspect", "--format", "{{.State.Running}}", bystander).strip() == "true"
        living.send_signal(signal.SIGTERM)
        assert living.wait(WITHIN_S) == 128 + signal.SIGTERM
        assert other not in projects()
    finally:
        docker_cli.run("kill", bystander)
        for process in (killed, living):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait()


@pytest.mark.beside
@pytest.mark.parametrize("variable", ["DOCKER_HOST", "PATH"])
def test_without_an_engine_it_ends_in_seconds_and_says_what_to_do(variable: str, tmp_path: Path) -> None:
    """No socket, or no command: exit code 3 and one clear message."""
    environment = {**os.environ, variable: {"DOCKER_HOST": f"unix://{tmp_path}/none", "PATH": str(tmp_path)}[variable]}
    command = [sys.executable, "-m", "testbed", "replay", "calm", "--runtime", "containers", "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, env=environment, cwd=SCENARIOS.parent, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == TestbedError.exit_code
    assert "container engine" in done.stderr
    assert ".ci/engine" in done.stderr
    assert "Traceback" not in done.stderr


class Wire:
    """A socket before the engine's: while it is up, connections are passed on; when it goes down, those there are are cut."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "engine.sock"
        self.server: asyncio.Server | None = None
        self.writers: list[asyncio.StreamWriter] = []

    async def up(self) -> None:
        """Listen."""
        self.server = await asyncio.start_unix_server(self._pass_on, self.path)

    async def down(self) -> None:
        """Listen no more, and cut every connection."""
        assert self.server is not None
        self.server.close()
        self.path.unlink(missing_ok=True)
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_unix_connection(ENGINE.removeprefix(UNIX))
        self.writers += [writer, ours]
        await asyncio.gather(_copy(reader, ours), _copy(theirs, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def behind_a_wire(directory: Path) -> AsyncIterator[tuple[Wire, Containers, str]]:
    """Run a container; yield the wire over which its runtime asks the engine, the runtime, and the container's id."""
    if not ENGINE.startswith(UNIX):
        pytest.skip(f"the engine listens at {ENGINE}, and not at a socket of this machine")
    wire = Wire(directory)
    async with ContainersBackend() as backend:
        await wire.up()
        assert backend.client is not None
        backend.client.close()
        backend.client = await asyncio.to_thread(DockerClient, base_url=f"{UNIX}{wire.path}", timeout=20)
        runtime = backend.containers(f"testbed-{os.getpid()}-heard")
        try:
            await asyncio.to_thread(runtime.up, ["toxiproxy"], {})
            listed = ("ps", "--quiet", "--no-trunc", "--filter", f"label={PROJECT_LABEL}={runtime.project}")
            yield wire, runtime, (await asyncio.to_thread(docker_cli.run, *listed)).strip()
        finally:
            await asyncio.to_thread(runtime.remove)
            await wire.down()


async def ended_within(runtime: Containers, within_s: float) -> Exit:
    """Return how the container ended."""
    async with asyncio.timeout(within_s):
        while (ended := await runtime.exit("toxiproxy")) is None:
            await asyncio.sleep(0.05)
    return ended


@pytest.mark.beside
async def test_a_death_while_the_engine_cannot_be_heard_is_known_as_soon_as_it_can(tmp_path: Path) -> None:
    """The stream of events is cut, the container dies, and the stream comes back without that event."""
    async with behind_a_wire(tmp_path) as (wire, runtime, container):
        assert await runtime.exit("toxiproxy") is None
        await wire.down()
        await asyncio.to_thread(docker_cli.run, "kill", container)
        await wire.up()
        assert (await ended_within(runtime, WITHIN_S)).code == 128 + signal.SIGKILL


@pytest.mark.beside
async def test_an_engine_that_is_not_heard_any_more_is_an_error_and_not_a_service_that_lives(tmp_path: Path) -> None:
    """Within seconds, whatever the container does."""
    async with behind_a_wire(tmp_path) as (wire, runtime, _):
        await wire.down()
        with pytest.raises(EngineError, match="what has ended is unknown: the engine's events broke"):
            await ended_within(runtime, WITHIN_S)
        with pytest.raises(ServiceError, match="toxiproxy cannot be inspected"):
            await runtime.pid("toxiproxy")
        with pytest.raises(ServiceError, match="toxiproxy cannot be killed"):
            await runtime.kill("toxiproxy")
        await wire.up()


@pytest.mark.beside
async def test_a_command_that_fails_in_a_container_is_told_with_its_last_words() -> None:
    """And one that hangs is given up."""
    async with ContainersBackend() as backend:
        runtime = backend.containers(f"testbed-{os.getpid()}-commands")
        try:
            runtime.up(["toxiproxy"], {})
            assert await runtime.run_in("toxiproxy", "echo", "yes", within_s=10.0) == "yes\n"
            with pytest.raises(FacilityError, match=r"^toxiproxy: sh -c echo no >&2; exit 3 ended with exit code 3: no$"):
                await runtime.run_in("toxiproxy", "sh", "-c", "echo no >&2; exit 3", within_s=10.0)
            with pytest.raises(EngineError, match=r"^toxiproxy: sleep 60 did not end within 1 s$"):
                await runtime.run_in("toxiproxy", "sleep", "60", within_s=1.0)
        finally:
            runtime.remove()
