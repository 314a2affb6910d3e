"""The database pair of the processes runtime: two hosts, one array, one server at a time (C2, C4)."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.plan.topology import HOSTS
from testbed.runtime import shared_memory
from testbed.runtime.credentials import ADMINISTRATOR, SERVICES
from testbed.runtime.postgres import held_start, sql, standby
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.held_ports import HeldPorts
from testbed.runtime.postgres.server import READY, STARTING, STOP_WITHIN_S, start_server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from testbed.facility.address import Address
    from testbed.facility.database import EndedSessions, FlightsTable, StopMode
    from testbed.runtime.credentials import Credentials
    from testbed.runtime.postgres.programs import Programs
    from testbed.runtime.postgres.server import Server
    from testbed.runtime.postgres.standby import Standby
    from testbed.runtime.run_directory import RunDirectory


LIMIT_WITHIN_S = 20.0
END_WITHIN_S = 10.0


@dataclass(slots=True)
class DatabasePair:
    """`db-1` and `db-2` over one array. `active` is the host whose server runs, or ran last.

    `addresses`: the own address of each host, as far as it is known: where its server runs or ran last, or will run (`reserve`).
    """

    run: RunDirectory
    programs: Programs
    array: Array
    logs: Path
    max_connections: int
    credentials: Credentials
    active: str = HOSTS[0]
    server: Server | None = None
    ports: HeldPorts = field(default_factory=HeldPorts)
    addresses: dict[str, Address] = field(default_factory=dict)
    reserved: set[str] = field(default_factory=set)
    is_starting: bool = False
    follower: Standby | None = None

    @property
    def flights(self) -> FlightsTable:
        """The table of flights, as the services log in."""
        return sql.FlightsInPostgres(self.credentials.login(SERVICES))

    @property
    def standby(self) -> str:
        """The host that could take over."""
        return next(host for host in HOSTS if host != self.active)

    async def mount(self, host: str) -> None:
        """Mount the array on a host; raises ArrayError when another has it."""
        self.array.mount(host)

    async def unmount(self, host: str) -> None:
        """Unmount the array on a host; raises ArrayError when a server still runs on it."""
        self.array.unmount(host)

    def reserve(self, host: str) -> Address:
        """Return the own address of a host, at which every server of it will listen; its port is ours before the first does."""
        self.addresses[host] = self.ports.find()
        self.reserved.add(host)
        return self.addresses[host]

    @property
    def address(self) -> Address:
        """The own address of the active host; raises FacilityError where no server runs on it."""
        if self.server is None:
            raise FacilityError(f"no database server runs on {self.active}")
        return self.server.address

    async def start_server(self, host: str) -> Address:
        """Start the server of a host on the array mounted there; return its own address once it accepts connections."""
        held_start.forget(self.array)
        return await self._start(host)

    async def _start(self, host: str, settings: Mapping[str, str] = MappingProxyType({}), status: str = READY) -> Address:
        log, listen = self.logs / f"{host}.log", self.addresses[host] if host in self.reserved else None
        if listen is not None:
            self.ports.open(listen)
        self.server = await start_server(
            self.programs,
            self.array,
            host,
            self.max_connections,
            log,
            listen=listen,
            settings=settings,
            ports=self.ports,
            status=status,
        )
        self.active, self.addresses[host] = host, self.server.address
        self.run.note_pid(self.server.child.process.pid)
        return self.server.address

    async def limit_services(self) -> None:
        """Let the services' role have `max_connections` and no more, from now on: the array keeps it. Raises ServiceError."""
        assert self.server is not None
        administrator = self.credentials.login(ADMINISTRATOR)
        await sql.limit_connections(self.server.address, administrator, SERVICES, self.max_connections, LIMIT_WITHIN_S)

    async def stop_server(self, mode: StopMode = "fast", patience_s: float = 0.0) -> str:
        """Stop the server (`Server.stop`); raises FacilityError when none runs."""
        return await self._take_server().stop(mode, patience_s)

    async def kill_server(self) -> None:
        """Kill the server; raises FacilityError when none runs."""
        await self._take_server().kill(self.array)

    def _take_server(self) -> Server:
        if self.server is None:
            raise FacilityError(f"no database server runs on {self.active}")
        server, self.server, self.is_starting = self.server, None, False
        held_start.release(self.array)
        return server

    async def hold_start(self, host: str) -> Address:
        """Start the server of a host and hold it where it recovers."""
        address = await self._start(host, held_start.hold(self.programs, self.array), STARTING)
        self.is_starting = True
        return address

    async def finish_start(self) -> None:
        """Let the server that is held go on, and wait until it accepts connections; raises FacilityError when none is."""
        if self.server is None or not self.is_starting:
            raise FacilityError(f"no database server is starting up on {self.active}")
        held_start.release(self.array)
        await self.server.wait_ready(self.array)
        self.is_starting = False

    async def start_standby(self) -> Address:
        """Start a standby of the server; raises FacilityError when there is one, or no server to follow."""
        if self.follower is not None:
            raise FacilityError("a standby runs already")
        login, root = self.credentials.login(ADMINISTRATOR), self.array.root.with_name(f"{self.array.root.name}-{standby.HOST}")
        log = self.logs / f"{standby.HOST}.log"
        self.follower = await standby.start(self.programs, self.address, login, root, self.max_connections, self.ports, log)
        self.run.note_pid(self.follower.server.child.process.pid)
        return self.follower.address

    async def stop_standby(self) -> None:
        """End the standby and discard its data."""
        if self.follower is not None:
            follower, self.follower = self.follower, None
            await follower.end()

    async def end_sessions(self) -> EndedSessions:
        """End every session of the services' role, at the host's own address; raises FacilityError when no server runs."""
        if self.server is None:
            raise FacilityError(f"no database server runs on {self.active}")
        administrator, services = (self.credentials.login(role) for role in (ADMINISTRATOR, SERVICES))
        return await sql.end_sessions(self.server.address, administrator, services, END_WITHIN_S)

    async def throw_away(self) -> None:
        """End the server at once: its data is no longer needed.

        Where it was killed, wait for its last processes, and remove the shared memory that it could not remove. Its ports are anybody's
        from then on.
        """
        self.ports.release()
        await self.stop_standby()
        if self.server is not None:
            await self._take_server().child.end(signal.SIGQUIT, STOP_WITHIN_S)
        await self.array.wait_free(STOP_WITHIN_S)
        shared_memory.remove_segment_of(self.array.data / "postmaster.pid")
