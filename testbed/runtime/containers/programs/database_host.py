"""A database host of the containers runtime: the program that `db-1`, `db-2` and `dr` run.

    python -m testbed.runtime.containers.programs.database_host

The host keeps running while its database server is stopped and started, so that a switchover has the five steps of C4,
each a request to one host: `POST /stop` (with a body in another mode than fast), `/unmount`, `/mount`, `/start`, `/virtual-ip` (take
it), answered with the host's status, `took_s` and `detail`, or with 409 and `error`; who asks without the run's token is answered with
401. `GET /status` changes nothing, nor does `GET /activity`, which tells those who have the token what the server works on. `POST /kill`
kills the server; `/hold-start` starts one that is held where it recovers, and `/finish-start` lets it go on. `POST /beat`, `/watch` and
`/rest` are for the heartbeats between the two hosts of the pair, with a body; `GET /heartbeats` tells those who have the token what was
counted. The bodies are in orders.py. `POST /narrow` limits how fast this host sends over the network of the database, where the settings
say so. `POST /release` unmounts the array from a host that has ended. In the container, the command `host` does the same. `GET /health`
is green when the host has done what it does at its own start.

At its start a host of the pair starts a server when the array is mounted here, as after a restart of the machine, or
when it is mounted nowhere and the settings say that this host begins; then it takes the virtual IP. Otherwise it stands
by.

The array is a volume that both hosts' containers have. The host that has *mounted* it has a link on the volume, one
host at a time (array.py). The kernel's lock prevents a second server on it: the containers of one machine share the
lock because they share its kernel.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import subprocess
import sys
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

import uvicorn
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from testbed.concurrency import wait_until
from testbed.errors import FacilityError, ProxyError, TestbedError
from testbed.facility.address import Address
from testbed.facility.link import DATABASE
from testbed.runtime.cluster.orders import StopOrder, beat_order, stop_order, watch_order
from testbed.runtime.containers.programs import recovery
from testbed.runtime.containers.programs.heartbeats import HostHeartbeats
from testbed.runtime.containers.services import CREDENTIALS, HEARTBEAT_PORT, PORT, VIRTUAL_IP, authorization
from testbed.runtime.credentials import ADMINISTRATOR, SERVICES, Credentials
from testbed.runtime.owner import Owner
from testbed.runtime.postgres import activity, held_start
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.prepared import copy_array
from testbed.runtime.postgres.programs import find_programs
from testbed.runtime.postgres.roles import set_passwords
from testbed.runtime.postgres.server import READY, STARTING, crashed_in, dead_connection_detection, start_server
from testbed.runtime.toxiproxy import FaultProxyClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.requests import Request

    from testbed.runtime.credentials import Login
    from testbed.runtime.postgres.programs import Programs
    from testbed.runtime.postgres.server import Server


EVERYWHERE = "0.0.0.0"  # noqa: S104 - in a container, whose networks limit who reaches it
HERE = "127.0.0.1"
PROXY_WITHIN_S = 60.0
POLL_S = 0.1
LOG = Path("/var/log/database-host.log")
NOT_AUTHORISED = "a step is for those who have the token of this facility; in the container, the command `host` has it"
IN_ORDER = StopOrder()
SERVICES_USER = "facility"  # as whom compose.yaml runs the services


Port = Annotated[int, Field(ge=1, le=65_535)]


class HostSettings(BaseSettings):
    """The settings of a database host, each from the environment with the prefix DATABASE_HOST_.

    `role`: one of the pair, or the recovery standby. `begins`: this host of the pair starts the server when the array is mounted
    nowhere. `keepalives_s`: see `dead_connection_detection`; unset, the kernel's own times hold. `array`: the volume. `prepared`: a data
    directory with the real week in it, for an empty volume. `access`: pg_hba.conf. `credentials`: the directory of the passwords, which
    the host that begins makes. `network_kbit_s`: how fast the host sends over the network of the database once it was narrowed.
    """

    model_config = SettingsConfigDict(env_prefix="DATABASE_HOST_", frozen=True, extra="forbid", env_ignore_empty=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    role: Literal["pair", "recovery"] = "pair"
    begins: bool = False
    keepalives_s: Annotated[int, Field(ge=1, le=7200)] | None = None
    array: Path = Path("/array")
    prepared: Path = Path("/opt/array")
    access: Path = Path("/etc/testbed/pg_hba.conf")
    credentials: Path = Path(CREDENTIALS)
    max_connections: Annotated[int, Field(ge=10, le=10_000)] = 200
    network_kbit_s: Annotated[int, Field(ge=100, le=1_000_000)] | None = None
    virtual_ip_host: str = VIRTUAL_IP
    virtual_ip_port: Port = PORT
    fault_proxy_host: str = "toxiproxy"
    fault_proxy_port: Port = 8474
    control_port: Port = 8000
    heartbeat_port: Port = HEARTBEAT_PORT

    @property
    def virtual_ip(self) -> Address:
        """The address of the database, whichever host has it."""
        return Address(self.virtual_ip_host, self.virtual_ip_port)


@dataclass(slots=True)
class DatabaseHost:
    """One host: its array, and the server that runs on it, or None. Each step raises TestbedError when it fails."""

    settings: HostSettings
    programs: Programs
    array: Array
    server: Server | None = None
    ready: bool = False
    trouble: str = ""
    heartbeats: HostHeartbeats = field(init=False)
    _step: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.heartbeats = HostHeartbeats(self.settings.name, Address(EVERYWHERE, self.settings.heartbeat_port))

    @property
    def credentials(self) -> Credentials:
        """The secrets of this facility."""
        return Credentials(self.settings.credentials)

    @property
    def running(self) -> bool:
        """Whether the server runs; one that was killed does not."""
        return self.server is not None and self.server.child.pid is not None

    @property
    def _administrator(self) -> Login:
        return self.credentials.login(ADMINISTRATOR)

    def status(self) -> dict[str, object]:
        """Return the status as JSON; `pid` is of the container's own namespace."""
        return {
            "host": self.settings.name,
            "ready": self.ready,
            "trouble": self.trouble,
            "mounted_on": self.array.mounted_on(),
            "running": self.running,
            "died": self._died(),
            "pid": self.server.child.pid if self.server else None,
        }

    def _died(self) -> str:
        """Return how the server ended by itself, or that it crashed; an empty text if it did not."""
        if self.server is None:
            return ""
        if self.server.child.pid is None:
            return f"{self.server.child.ending}\n{self.server.child.last_lines()}"
        return crashed_in(LOG.read_text(errors="replace")) if LOG.exists() else ""

    async def begin(self) -> None:
        """Run what the host does at its own start; then it is `ready`, or `trouble` says why not."""
        try:
            if self.settings.role == "recovery":
                await self._begin_recovery()
            else:
                await self._begin_pair()
        except TestbedError as error:
            self.trouble = str(error)
            write_log(f"{self.settings.name}: {error}")
        else:
            self.ready = True

    async def _begin_pair(self) -> None:
        name = self.settings.name
        mounted_on = self.array.mounted_on()
        if mounted_on is None and self.settings.begins:
            self.credentials.make(self._owners())
            if not self.array.data.is_dir():
                await asyncio.to_thread(copy_array, self.programs, self.settings.prepared, self.settings.array)
            await set_passwords(self.programs, self.array, self.credentials, LOG, self.settings.max_connections)
            await self.mount()
        elif mounted_on != name:
            write_log(f"{name} stands by; the array is mounted on {mounted_on or 'no host'}")
            return
        await self.start()
        await self._wait_virtual_ip()

    def _owners(self) -> dict[str, Owner]:
        """The users of the two files with passwords: the one who runs PostgreSQL, and the one who runs the services."""
        services = pwd.getpwnam(SERVICES_USER)
        owners = {SERVICES: Owner(services.pw_name, services.pw_uid, services.pw_gid)}
        return owners | ({ADMINISTRATOR: self.programs.owner} if self.programs.owner else {})

    async def _begin_recovery(self) -> None:
        name = self.settings.name
        await recovery.follow(self.programs, self.array, self.settings.virtual_ip, self._administrator, LOG, write_log)
        if self.array.mounted_on() is None:
            self.array.mount(name)
        await self.start()

    async def _wait_virtual_ip(self) -> None:
        """Take the virtual IP as soon as the fault proxy answers; raises WaitError when that takes longer than a minute."""

        async def take() -> str | None:
            try:
                await self.virtual_ip()
            except ProxyError as error:
                return str(error)
            return None

        await wait_until(f"{self.settings.name} did not get the virtual IP", take, PROXY_WITHIN_S, every_s=POLL_S)

    async def stop(self, order: StopOrder = IN_ORDER) -> str:
        """Stop the server; return what that had to do beside."""
        return await self._take_server().stop(order.mode, order.patience_s)

    async def kill(self) -> None:
        """Kill the server, and wait until none of its processes is left."""
        await self._take_server().kill(self.array)

    def _take_server(self) -> Server:
        if self.server is None or not self.running:
            raise FacilityError(f"no database server runs on {self.settings.name}")
        server, self.server = self.server, None
        held_start.release(self.array)
        return server

    async def unmount(self) -> None:
        """Unmount the array here."""
        self.array.unmount(self.settings.name)

    async def mount(self) -> None:
        """Mount the array here."""
        self.array.mount(self.settings.name)

    async def release(self) -> None:
        """Unmount the array from whichever host has it, because that has ended. Raises ArrayError when a server still runs on it."""
        holder = self.array.mounted_on()
        if holder is not None:
            self.array.unmount(holder)

    async def hold_start(self) -> None:
        """Start the server on the array mounted here, and hold it where it recovers."""
        self._require_none()
        await self._start(held_start.hold(self.programs, self.array), STARTING)

    async def finish_start(self) -> None:
        """Let the server that is held go on, and return when it accepts connections."""
        if self.server is None:
            raise FacilityError(f"no database server is starting up on {self.settings.name}")
        held_start.release(self.array)
        await self.server.wait_ready(self.array)

    async def start(self) -> None:
        """Start the server on the array mounted here, and return when it accepts connections."""
        self._require_none()
        held_start.forget(self.array)
        await self._start()

    def _require_none(self) -> None:
        if self.running:
            raise FacilityError(f"a database server runs on {self.settings.name} already")

    async def _start(self, more: Mapping[str, str] = MappingProxyType({}), status: str = READY) -> None:
        settings = {
            "hba_file": str(self.settings.access),
            "max_slot_wal_keep_size": "256MB",  # a standby that never comes back does not fill the array
            **({} if self.settings.keepalives_s is None else dead_connection_detection(self.settings.keepalives_s)),
            **(recovery.settings(self.programs, self.settings.virtual_ip, self._administrator) if self.settings.role == "recovery" else {}),
            **more,
        }
        self.server = await start_server(
            self.programs,
            self.array,
            self.settings.name,
            self.settings.max_connections,
            LOG,
            listen=Address(EVERYWHERE, PORT),
            settings=settings,
            status=status,
        )

    async def virtual_ip(self) -> None:
        """Point the virtual IP to this host."""
        client = FaultProxyClient(self.settings.fault_proxy_host, self.settings.fault_proxy_port, self.credentials.token_file)
        await asyncio.to_thread(client.point, VIRTUAL_IP, f"{self.settings.name}:{PORT}")

    async def narrow(self) -> None:
        """Limit how fast this host sends over the network of the database; see compose/commands/narrow."""
        if self.settings.network_kbit_s is None:
            raise FacilityError(f"{self.settings.name} is not told how fast the network of the database is")
        command = ("narrow", f"{self.settings.name}-{DATABASE}", str(self.settings.network_kbit_s))
        ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise FacilityError(f"the network of {self.settings.name} cannot be narrowed: {ran.stderr.strip()}")

    async def end(self) -> None:
        """Stop the server, if one runs, because the container ends; the array stays mounted here, as on a machine that goes down."""
        if self.running:
            await self.stop()

    def app(self) -> Starlette:
        """Return the HTTP control of this host."""
        steps = {
            "kill": self.kill,
            "hold-start": self.hold_start,
            "finish-start": self.finish_start,
            "unmount": self.unmount,
            "release": self.release,
            "mount": self.mount,
            "start": self.start,
            "virtual-ip": self.virtual_ip,
            "narrow": self.narrow,
            "rest": self.heartbeats.rest,
        }

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            beginning = asyncio.create_task(self._run_alone(self.begin))
            yield
            try:
                beginning.cancel()
                with suppress(asyncio.CancelledError):
                    await beginning
            finally:  # also where it failed in a way that nobody expected
                await self.heartbeats.rest()
                await self.end()

        routes = [Route(f"/{name}", self._endpoint(step), methods=["POST"]) for name, step in steps.items()]
        routes += [Route("/status", self._status), Route("/health", self._health), Route("/activity", self._activity)]
        routes += [
            Route("/stop", self._stop, methods=["POST"]),
            Route("/beat", self._beat, methods=["POST"]),
            Route("/watch", self._watch, methods=["POST"]),
        ]
        routes += [Route("/heartbeats", self._heartbeats)]
        return Starlette(routes=routes, lifespan=lifespan)

    async def _stop(self, request: Request) -> JSONResponse:
        """Stop the server as the body orders, or else in order."""
        body = await request.body()
        try:
            order = stop_order.validate_json(body) if body else IN_ORDER
        except ValidationError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return await self._endpoint(partial(self.stop, order))(request)

    def _endpoint(self, step: Callable[[], Awaitable[str | None]]) -> Callable[[Request], Awaitable[JSONResponse]]:
        async def do(request: Request) -> JSONResponse:
            started = time.monotonic()
            try:
                if not self._is_authorised(request):
                    return JSONResponse({**self.status(), "error": NOT_AUTHORISED}, status_code=401)
                detail = await self._run_alone(step)
            except TestbedError as error:
                return JSONResponse({**self.status(), "error": str(error)}, status_code=409)
            return JSONResponse({**self.status(), "took_s": round(time.monotonic() - started, 3), "detail": detail or ""})

        return do

    def _is_authorised(self, request: Request) -> bool:
        """Whether who asks has the token; raises FacilityError while there is none."""
        brought = request.headers.get("authorization", "").encode()
        return secrets.compare_digest(brought, authorization(self.credentials).encode())

    async def _run_alone(self, step: Callable[[], Awaitable[str | None]]) -> str | None:
        """Run a step once no other runs, and return what it says."""
        async with self._step:
            return await step()

    async def _status(self, _: Request) -> JSONResponse:
        return JSONResponse(self.status())

    async def _activity(self, request: Request) -> JSONResponse:
        """Answer what the server says of its sessions and locks."""

        async def look() -> dict[str, object]:
            if not self.running:
                raise FacilityError(f"no server of it runs on {self.settings.name}")
            return asdict(await activity.look("", self.settings.name, Address(HERE, PORT), self._administrator))

        return await self._answer(request, look)

    async def _beat(self, request: Request) -> JSONResponse:
        """Send heartbeats as the body orders; answer with the port."""

        async def beat() -> dict[str, object]:
            return {"port": (await self.heartbeats.beat(beat_order.validate_json(await request.body()))).port}

        return await self._answer(request, beat)

    async def _watch(self, request: Request) -> JSONResponse:
        """Watch the other host as the body orders."""

        async def watch() -> dict[str, object]:
            await self.heartbeats.watch(watch_order.validate_json(await request.body()))
            return {}

        return await self._answer(request, watch)

    async def _heartbeats(self, request: Request) -> JSONResponse:
        """Answer what was counted of the other host's heartbeats."""

        async def told() -> dict[str, object]:
            return asdict(self.heartbeats.told())

        return await self._answer(request, told)

    async def _answer(self, request: Request, ask: Callable[[], Awaitable[dict[str, object]]]) -> JSONResponse:
        """Answer who has the token, whatever step is under way; 400 for a body that is no such order, 409 with what cannot be had."""
        try:
            if not self._is_authorised(request):
                return JSONResponse({"error": NOT_AUTHORISED}, status_code=401)
            return JSONResponse(await ask())
        except ValidationError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        except TestbedError as error:
            return JSONResponse({"error": str(error)}, status_code=409)

    async def _health(self, _: Request) -> JSONResponse:
        return JSONResponse(self.status(), status_code=200 if self.ready else 503)


def write_log(line: str) -> None:
    """Write a line of the host to the server's log."""
    with LOG.open("a") as log:
        log.write(f"{line}\n")


def main() -> int:
    """Run the host until a signal ends it; return exit code 2 for wrong settings, 3 when it cannot start."""
    try:
        settings = HostSettings()  # type: ignore[call-arg]  # its values come from the environment
        programs = find_programs(os.environ.get("TESTBED_POSTGRES"), settings.array)
    except ValidationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except TestbedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    LOG.touch(mode=0o600)
    host = DatabaseHost(settings, programs, Array(settings.array))
    control = uvicorn.Config(
        host.app(), host=EVERYWHERE, port=settings.control_port, log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    # The server writes to a file, because its last lines are needed when it does not start; `tail` copies them to the container's log.
    with subprocess.Popen(["/usr/bin/tail", "--follow", "--lines=+1", str(LOG)]) as lines:
        server = uvicorn.Server(control)
        server.run()
        lines.terminate()
    return 0 if server.started else 3


if __name__ == "__main__":
    sys.exit(main())
